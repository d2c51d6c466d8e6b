// The load generator: closed loops of one request after the other, one per connection, in a process of its own.
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const fileBeside = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Time the generator may take beyond that of its measurement. */
const GRACE_MS = 20_000;

/**
 * What the generators have in common: loads `request` (`{url, method, headers, body}`) over `connections` for `seconds`, and resolves
 * to `{requests, seconds, p50Ms, p99Ms, failures}`. `requests` were answered within the time; failures are refused or broken ones.
 * The probe takes one connection, whatever it is told, and pauses between its requests.
 */
const GENERATORS = {
  wrk: ({ url, method, headers, body }, { connections, seconds }) => [
    'wrk',
    '--threads=1',
    `--connections=${connections}`,
    `--duration=${seconds}s`,
    `--script=${fileBeside('wrk.lua')}`,
    ...Object.entries(headers).map(([name, value]) => `--header=${name}: ${value}`),
    url,
    '--',
    method,
    body ?? '',
  ],
  probe: (request, { seconds }) => [process.execPath, fileBeside('probe.mjs'), JSON.stringify({ ...request, seconds })],
  autocannon: (request, { connections, seconds }) => [
    process.execPath,
    fileBeside('autocannon.mjs'),
    JSON.stringify({ ...request, connections, duration: seconds }),
  ],
};

/**
 * Callers of programs have machines of their own as a rule. Here they get the next best: a processor as soon as there is something to send or to
 * read, so that no server is told to be slow because its caller waited for its turn among 64 programs.
 */
const FIRST_IN_LINE = ['chrt', '--fifo', '1'];

/**
 * The generator of that name, or the best one there is: wrk where it is installed, because it takes less of the machine than it measures.
 * `isFirst` says whether the system lets callers be {@link FIRST_IN_LINE}, which takes root or CAP_SYS_NICE.
 */
export async function chooseLoad(wanted) {
  const wrk = wanted === 'autocannon' ? undefined : await wrkVersion();
  if (wanted === 'wrk' && !wrk) throw new Error('wrk is not installed');
  const name = wrk ? 'wrk' : 'autocannon';
  const isFirst = await mayBeFirst();
  const first = isFirst ? FIRST_IN_LINE : [];
  return {
    name: wrk ?? `autocannon ${autocannonVersion()}`,
    isFirst,
    run: ({ request, startsProgram }, given) => run(startsProgram ? first : [], GENERATORS[name], request, given),
    /** Asks now and then over one connection, while others load. */
    probe: ({ request }, given) => run(first, GENERATORS.probe, request, given),
  };
}

async function run(before, commandOf, request, { connections, seconds, signal }) {
  const [file, ...args] = [...before, ...commandOf(request, { connections, seconds })];
  const { stdout } = await execute(file, args, { signal, timeout: seconds * 1000 + GRACE_MS, killSignal: 'SIGKILL' });
  const result = JSON.parse(stdout.trim().split('\n').at(-1));
  if (result.failures > 0)
    throw new Error(`${request.method} ${request.url}: ${result.failures} requests failed, ${result.requests} were answered`);
  if (result.requests === 0) throw new Error(`${request.method} ${request.url}: no request was answered`);
  return result;
}

async function mayBeFirst() {
  const [file, ...args] = [...FIRST_IN_LINE, 'true'];
  return execute(file, args).then(
    () => true,
    () => false,
  );
}

/** wrk prints its version with its usage and then fails. */
async function wrkVersion() {
  const { stdout } = await execute('wrk', ['-v']).catch((error) => error);
  return /^wrk \S+/.exec(stdout ?? '')?.[0];
}

function autocannonVersion() {
  return createRequire(import.meta.url)('autocannon/package.json').version;
}
