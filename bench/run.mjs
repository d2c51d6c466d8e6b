// Measures the gateway beside bare Fastify, webhook, lighttpd and what the machine can do at all, in one interleaved run. What the figures mean: README.md beside this file.
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { checkRuns, CLOSELY_COMPARED, contendersOf, strangerOf } from './contenders.mjs';
import { describeHost, lighttpdVersion, makeFolder, webhookVersion } from './host.mjs';
import { chooseLoad } from './load.mjs';
import { measureBeside, memoryOf } from './measure.mjs';
import { reportOf, TARGET_CONNECTIONS, writeReadme } from './report.mjs';
import { bareFastify, collector, gateway, lighttpd, silentGateway, start, tracedGateway, unredacted, webhook } from './servers.mjs';
import { spawnLimit } from './spawn-limit.mjs';

const HELP = `Usage: npm run bench -- [options]

  --quick           one round, without 16 connections: a glance in two minutes
  --rounds N        rounds of each contender (3)
  --seconds N       length of a sample, whole seconds (1; 3 of those of which a bar is close)
  --load NAME       wrk or autocannon (wrk when it is installed)
  --write           put the results into bench/README.md
`;

/** Time a started server gets to come to rest before its idle memory is read. */
const REST_MS = 1_000;
/** At 200 requests a second, for a p99 that is more than one of them. */
const PROBE_SECONDS = 2;
/** What a caller sees of the first while so many connections ask for the second. */
const BESIDE = { light: 'GET /health', heavy: '/bin/echo', connections: 64 };
const WARM_UP_CONNECTIONS = 64;
/** The same load as that which is measured, before each sample. */
const WAKE_SECONDS = 1;
/** Those that are compared closely are asked for so many times as long. In a second 64 first requests, all at once, are a twentieth of all. */
const CLOSE_TIMES = 3;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string', default: '1' },
    load: { type: 'string' },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => interruption.abort(new Error(`stopped by ${name}`)));

if (options.help) console.log(HELP);
else await main().catch(fail);

async function main() {
  const plan = planOf(options);
  const { signal } = interruption;
  await using stack = new AsyncDisposableStack();
  const host = describeHost();
  const load = await chooseLoad(options.load);
  const versions = { webhook: await webhookVersion(), lighttpd: await lighttpdVersion() };
  const folder = makeFolder();
  stack.defer(() => rmSync(folder.path, { recursive: true, force: true }));
  const surroundings = { folder: folder.path, signal };
  const limit = await spawnLimit(surroundings);
  const programs = [bareFastify, gateway, ...(versions.webhook ? [webhook] : []), ...(versions.lighttpd ? [lighttpd] : [])];
  const starts = await measureStarts(programs, plan.starts, surroundings);
  const servers = await startAll(programs, stack, surroundings);
  const idle = servers.map(({ name, family }) => ({ name, startsMs: starts.get(name), ...memoryOf(family) }));
  const variants = await startVariants(stack, surroundings);
  const contenders = [...contendersOf({ ...named(servers), ...variants }), ...(limit ? [limit] : [])];
  const stranger = strangerOf(named(servers));
  const measured = await measureAll(contenders, { ...plan, stranger, load, signal });
  const report = reportOf({
    facts: factsOf({ host, load, versions, folder, plan }),
    ...measured,
    programs: idle,
    notes: notesOf({ ...versions, limit, load }),
  });
  console.log(report);
  if (options.write) await writeReadme(report);
}

function named(servers) {
  const of = (program) => servers.find(({ name }) => name === program.name);
  return { bareFastify: of(bareFastify), gateway: of(gateway), webhook: of(webhook), lighttpd: of(lighttpd) };
}

/** What was left out, and what it would take. */
function notesOf({ webhook, lighttpd, limit, load }) {
  return [
    ...(webhook ? [] : ['webhook was skipped: it is not installed (Debian: `apt-get install webhook`).']),
    ...(lighttpd ? [] : ['lighttpd was skipped: it is not installed (Debian: `apt-get install lighttpd`).']),
    ...(limit ? [] : ['The limit of the machine was not measured: there is no C compiler `cc` (Debian: `apt-get install gcc`).']),
    ...(load.isFirst
      ? []
      : ['Callers waited for a processor like everybody else: real-time priority for them takes root or CAP_SYS_NICE.']),
  ];
}

function planOf({ quick, rounds, seconds }) {
  const whole = (name, text) => {
    if (/^[1-9]\d{0,2}$/.test(text)) return Number(text);
    throw new Error(`--${name}: expected a whole number from 1 to 999`);
  };
  return {
    rounds: whole('rounds', rounds ?? (quick ? '1' : '3')),
    seconds: whole('seconds', seconds),
    // V8 compiles while it runs: what is to be measured is a server that has been at work for a while.
    warmUpSeconds: ({ name }) => (quick ? 1 : CLOSELY_COMPARED.has(name) ? 20 : 5),
    connections: quick ? [1, 64] : [1, 16, 64],
    starts: quick ? 1 : 5,
    closeTurns: quick ? 1 : 3,
    closeTimes: quick ? 1 : CLOSE_TIMES,
  };
}

/** Each program is started and stopped in turn. Resolves to the times by name, in milliseconds. */
async function measureStarts(programs, times, surroundings) {
  const starts = new Map(programs.map(({ name }) => [name, []]));
  for (let time = 1; time <= times; time += 1) {
    for (const program of programs) {
      progress(`start ${time} of ${times}: ${program.name}`);
      await using server = await start(program, surroundings);
      starts.get(server.name).push(server.startMs);
    }
  }
  return starts;
}

/** The servers that are measured, at rest; `stack` ends them. */
async function startAll(programs, stack, surroundings) {
  const servers = [];
  for (const program of programs) servers.push(stack.use(await start(program, surroundings)));
  await sleep(REST_MS, undefined, { signal: surroundings.signal });
  return servers;
}

/** Gateways with other settings: each is there for a ratio alone. */
async function startVariants(stack, surroundings) {
  const sink = stack.use(await start(collector, surroundings));
  const open = async (program) => stack.use(await start(program, surroundings));
  return {
    silent: await open(silentGateway),
    traced: await open(tracedGateway(sink, '1')),
    tenth: await open(tracedGateway(sink, '0.1')),
    unredacted: await open(unredacted),
  };
}

/** Round by round, every second one backwards, so that nobody always comes after the same neighbour. */
async function measureAll(contenders, { rounds, closeTurns, closeTimes, seconds, warmUpSeconds, connections, stranger, load, signal }) {
  const warmUps = [];
  const samples = [];
  const besides = [];
  const contenderOf = (wanted) => contenders.find(({ name }) => name === wanted);
  const heavy = contenderOf(BESIDE.heavy);
  const lights = [contenderOf(BESIDE.light), ...(stranger ? [stranger] : [])];
  for (const contender of contenders) {
    progress(`warming up ${contender.name}`);
    warmUps.push(await contender.measure({ connections: WARM_UP_CONNECTIONS, seconds: warmUpSeconds(contender), load, signal }));
  }
  for (let round = 1; round <= rounds; round += 1) {
    for (const { count, turn, contender } of samplesOf({ round, closeTurns, connections, contenders })) {
      progress(`round ${round} of ${rounds}: ${contender.name}, ${count} connections`);
      // What nobody asks for is let go after a while, a kept sandbox for one: it is up again before it is measured.
      warmUps.push(await contender.measure({ load, connections: count, seconds: WAKE_SECONDS, signal }));
      const length = isClose({ contender, count }) ? seconds * closeTimes : seconds;
      samples.push({ ...(await contender.measure({ load, connections: count, seconds: length, signal })), moment: `${round}.${turn}` });
    }
    for (const light of lights) {
      progress(`round ${round} of ${rounds}: ${light.name} beside ${BESIDE.heavy}`);
      besides.push(await measureBeside({ light, heavy }, { load, seconds: PROBE_SECONDS, connections: BESIDE.connections, signal }));
    }
  }
  progress('');
  const beside = besides.map(({ heavy: { requests } }) => ({
    contender: BESIDE.heavy,
    answered: requests,
    connections: BESIDE.connections,
  }));
  await checkAllRuns(contenders, [...warmUps, ...samples, ...beside], signal);
  return { samples, besides };
}

/** What is measured in a round, in order. */
function samplesOf({ round, closeTurns, connections, contenders }) {
  const inOrder = round % 2 === 1 ? contenders : contenders.toReversed();
  const turnsAt = (count) => {
    const close = inOrder.filter((contender) => isClose({ contender, count }));
    return [inOrder, ...Array.from({ length: closeTurns - 1 }, () => close)];
  };
  return connections.flatMap((count) =>
    turnsAt(count).flatMap((turn, index) => turn.map((contender) => ({ count, turn: index, contender }))),
  );
}

/** Whether there is a bar that is missed or met by little. */
function isClose({ contender, count }) {
  return count === TARGET_CONNECTIONS && CLOSELY_COMPARED.has(contender.name);
}

async function checkAllRuns(contenders, samples, signal) {
  const runners = contenders.filter(({ request, server }) => server?.name === gateway.name && request.method === 'POST');
  const ours = samples.filter(({ contender }) => runners.some(({ name }) => name === contender));
  const total = (field) => ours.reduce((sum, sample) => sum + sample[field], 0);
  await checkRuns(runners[0].server, { answered: total('answered'), abandoned: total('connections'), signal });
}

function factsOf({ host, load, versions, folder, plan }) {
  const { rounds, seconds, closeTimes, starts } = plan;
  return [
    `${new Date().toISOString().slice(0, 10)}: ${host}`,
    `load by ${load.name}${load.isFirst ? ' (callers of programs at real-time priority)' : ''}, ${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${seconds} s, of ${seconds * closeTimes} s where a bar is close, interleaved; medians of rounds, ratios within rounds; cold starts: median of ${starts}`,
    `database on ${folder.fileSystem}; the gateway's log, a line a request, goes to a file; ${Object.entries(versions)
      .map(([name, version]) => (version ? `${name} ${version}` : `no ${name}`))
      .join('; ')}`,
  ];
}

/** One line on a terminal; nothing where output is kept. */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

function fail(error) {
  progress('');
  console.error(`bench: ${interruption.signal.aborted ? interruption.signal.reason.message : (error.stack ?? error)}`);
  process.exitCode = 1;
}
