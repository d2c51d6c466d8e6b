// Samples to text: medians over rounds, ratios taken within each round, and what became of the targets.
import { readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';
import { REFERENCE } from './contenders.mjs';
import { median } from './measure.mjs';
import { SPAWN_LIMIT } from './spawn-limit.mjs';

const README = new URL('README.md', import.meta.url);
const BEGIN = '<!-- generated:results -->';
const END = '<!-- /generated -->';

/** At so many connections the targets are judged. */
export const TARGET_CONNECTIONS = 64;

const CONTAINED = '/bin/echo, contained';

/** Those of a `contender` that there is not are left out. Each is met when its value is on the right side of its bound; without a value it could not be measured. */
const TARGETS = [
  { what: '`/health` beside bare Fastify', atLeast: 0.6, value: (results) => results.ratio('GET /health') },
  { what: '`greet` beside bare Fastify', atLeast: 0.15, value: (results) => results.ratio('greet') },
  {
    what: '`/bin/echo` with log and every trace, its CPU beside that without',
    atMost: 1.25,
    value: (results) => results.ratio('/bin/echo, traced', { field: 'cpuMsPerRequest' }),
  },
  {
    what: '`greet`, which starts nothing, the same',
    atMost: 1.25,
    value: (results) => results.ratio('greet, traced', { field: 'cpuMsPerRequest' }),
  },
  {
    what: '`greet` with log and a tenth of the traces',
    atMost: 1.25,
    value: (results) => results.ratio('greet, a tenth traced', { field: 'cpuMsPerRequest' }),
  },
  { what: '`/bin/echo` beside webhook', atLeast: 1, value: (results) => results.ratio('/bin/echo') },
  { what: '`/bin/echo`: p99 beside that of webhook', atMost: 1, value: (results) => results.ratio('/bin/echo', { field: 'p99Ms' }) },
  { what: '`/bin/echo` beside posix_spawn alone', atLeast: 0.62, value: (results) => results.ratio('/bin/echo', { beside: SPAWN_LIMIT }) },
  { what: '`/bin/echo`, contained, beside webhook', atLeast: 0.5, contender: CONTAINED, value: (results) => results.ratio(CONTAINED) },
  { what: '`/health` beside 64 runs: its p99, in idle ones', atMost: 3, value: (results) => results.besides.ratio },
  { what: 'Cold start, seconds', atMost: 1.5, value: ({ gateway }) => median(gateway.startsMs) / 1000 },
  { what: 'Idle RSS, MB', atMost: 160, value: ({ gateway }) => gateway.rss },
];

/**
 * The report as Markdown.
 * @param facts lines that say where and how it was measured
 * @param samples what contenders measured, round by round
 * @param besides what `measureBeside` returned, round by round
 * @param programs `{name, startsMs, rss, pss}`: times of its cold starts, memory while idle
 */
export function reportOf({ facts, samples, besides, programs, notes }) {
  const results = new Results({ samples, besides, programs });
  return [
    facts.map((fact) => `- ${fact}`).join('\n'),
    table(LOAD_COLUMNS, results.loads()),
    table(BESIDE_COLUMNS, results.besides.rows),
    table(START_COLUMNS, programs),
    table(
      TARGET_COLUMNS,
      TARGETS.filter(({ contender }) => contender === undefined || contender in REFERENCE).map((target) => judge(target, results)),
    ),
    [bottleneck(results), ...notes].join('\n\n'),
  ].join('\n\n');
}

/** Replaces the last results in the README. */
export async function writeReadme(report) {
  const text = readFileSync(README, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`README.md has no ${BEGIN} … ${END}`);
  const updated = `${text.slice(0, begin + BEGIN.length)}\n\n${report}\n\n${text.slice(end)}`;
  writeFileSync(README, await format(updated, { parser: 'markdown', printWidth: 140 }));
}

class Results {
  constructor({ samples, besides, programs }) {
    this.series = Map.groupBy(samples, ({ contender, connections }) => `${contender} ${connections}`);
    this.besides = summaryOf(besides);
    this.gateway = programs.find(({ name }) => name === 'Sallyport');
  }

  of(contender, connections) {
    return this.series.get(`${contender} ${connections}`);
  }

  /** One row for each contender and number of connections, in the order they were first measured. */
  loads() {
    const rows = [...this.series.values()].map((rounds) => this.row(rounds));
    return rows.sort((a, b) => a.connections - b.connections);
  }

  row(rounds) {
    return { ...medians(rounds), ratio: this.ratioOf(rounds, 'rate') };
  }

  /** Of a field, beside the contender's reference or another one; undefined when one of them was not measured. */
  ratio(contender, { field = 'rate', beside = REFERENCE[contender] } = {}) {
    const rounds = this.of(contender, TARGET_CONNECTIONS);
    return rounds && this.ratioOf(rounds, field, beside);
  }

  /** Within each round, where both met the same weather; then the median. */
  ratioOf(rounds, field, beside = REFERENCE[rounds[0].contender]) {
    const references = this.of(beside, rounds[0].connections);
    return references && median(rounds.map((round) => round[field] / references.find(({ moment }) => moment === round.moment)[field]));
  }
}

/** Of each light contender what was seen, and the ratio of both p99: that of the first, which is ours, has a target. */
function summaryOf(besides) {
  const seen = besides.map(({ light, idle, beside }) => ({
    what: light,
    idleP50Ms: idle.p50Ms,
    idleP99Ms: idle.p99Ms,
    p50Ms: beside.p50Ms,
    p99Ms: beside.p99Ms,
    ratio: beside.p99Ms / idle.p99Ms,
  }));
  const rows = [...Map.groupBy(seen, ({ what }) => what).values()].map(medians);
  return { rows, ratio: rows[0].ratio };
}

/** The median of each number; other fields as the first has them. */
function medians(items) {
  return Object.fromEntries(
    Object.entries(items[0]).map(([field, first]) => [field, typeof first === 'number' ? median(items.map((item) => item[field])) : first]),
  );
}

function judge(target, results) {
  const value = target.value(results);
  const met = target.atLeast === undefined ? value <= target.atMost : value >= target.atLeast;
  return { ...target, value, verdict: value === undefined ? 'not measured' : met ? 'met' : 'missed' };
}

/** Whether bare Fastify, the fastest there is to be loaded, was kept busy. */
function bottleneck(results) {
  const rounds = results.of('Bare Fastify', TARGET_CONNECTIONS);
  if (!rounds) return '';
  const { loadCores, serverCores } = medians(rounds);
  const busy = `with ${TARGET_CONNECTIONS} connections bare Fastify used ${serverCores.toFixed(2)} cores and the load generator ${loadCores.toFixed(2)}`;
  return loadCores > 0.9 && serverCores < 0.9
    ? `**The load generator is the bottleneck**: ${busy}. What is measured against bare Fastify looks better than it is.`
    : `The load generator was not the bottleneck: ${busy}.`;
}

const LOAD_COLUMNS = {
  Contender: ({ contender }) => contender,
  Connections: ({ connections }) => connections,
  'Requests/s': ({ rate }) => rate.toFixed(0),
  Ratio: ({ contender, ratio }) => (ratio === undefined ? '' : `${ratio.toFixed(2)} of ${REFERENCE[contender].replace(' /bin/echo', '')}`),
  'p50 ms': ({ p50Ms }) => p50Ms.toFixed(2),
  'p99 ms': ({ p99Ms }) => p99Ms.toFixed(2),
  'CPU ms a request': ({ cpuMsPerRequest }) => cpuMsPerRequest.toFixed(3),
  'RSS MB': ({ rss }) => rss?.toFixed(0) ?? '',
  'PSS MB': ({ pss }) => pss?.toFixed(0) ?? '',
};

const BESIDE_COLUMNS = {
  'Asked now and then': ({ what }) => what,
  'idle: p50 ms': ({ idleP50Ms }) => idleP50Ms.toFixed(2),
  'idle: p99 ms': ({ idleP99Ms }) => idleP99Ms.toFixed(2),
  [`beside ${TARGET_CONNECTIONS} runs of /bin/echo: p50 ms`]: ({ p50Ms }) => p50Ms.toFixed(2),
  'p99 ms': ({ p99Ms }) => p99Ms.toFixed(2),
  'p99, in idle ones': ({ ratio }) => ratio.toFixed(2),
};

const START_COLUMNS = {
  Program: ({ name }) => name,
  'Cold start s': ({ startsMs }) => seconds(median(startsMs)),
  'Fastest to slowest': ({ startsMs }) => `${seconds(Math.min(...startsMs))} to ${seconds(Math.max(...startsMs))}`,
  'Idle RSS MB': ({ rss }) => rss.toFixed(0),
  'Idle PSS MB': ({ pss }) => pss.toFixed(0),
};

const TARGET_COLUMNS = {
  [`Target (at ${TARGET_CONNECTIONS} connections)`]: ({ what }) => what,
  Bound: ({ atLeast, atMost }) => (atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`),
  Measured: ({ value }) => value?.toFixed(2) ?? '',
  '': ({ verdict }) => verdict,
};

function seconds(milliseconds) {
  return (milliseconds / 1000).toFixed(2);
}

function table(columns, rows) {
  const names = Object.keys(columns);
  const lines = [names, names.map(() => '---'), ...rows.map((row) => Object.values(columns).map((cell) => cell(row)))];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
