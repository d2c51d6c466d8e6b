import type { Metrics } from '../metrics/metrics.js';

/** As the recording rules of Prometheus have it: probes are no traffic. */
const PROBES = new Set(['/health', '/livez', '/ready', '/readyz', '/metrics']);
/** These take as long as the commands that they wait for. */
const WAITING = new Set(['/run', '/batch', '/stream', '/runs/:id/stream']);

/** How long things took: counts by upper bound in seconds, each with those below, as a histogram of Prometheus has them. */
export interface Durations {
  readonly buckets: ReadonlyMap<number, number>;
  readonly count: number;
  readonly sumSeconds: number;
}

/** What had been counted by an instant, since the gateway started. */
export interface Snapshot {
  /** Milliseconds, on the monotonic clock. */
  readonly at: number;
  /** ISO-8601, UTC. */
  readonly time: string;
  readonly requests: number;
  /** Answers of 500 and above. */
  readonly failures: number;
  /** Answers of 400 to 499. */
  readonly refusals: number;
  /** Of all requests. */
  readonly latency: Durations;
  /** Of those that wait for no command. */
  readonly ownLatency: Durations;
  readonly runs: number;
  readonly limitsHit: number;
  readonly blocked: number;
}

interface Value {
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  readonly value: number;
  readonly metricName?: string;
}

/** The values of a metric, as prom-client gives them. */
interface Readable {
  get(): Promise<{ readonly values: readonly Value[] }>;
}

/** What the registry says now. */
export async function takeSnapshot(metrics: Metrics, when: Pick<Snapshot, 'at' | 'time'>): Promise<Snapshot> {
  const requests = (await valuesOf(metrics.httpRequests)).filter(isTraffic);
  const durations = (await valuesOf(metrics.httpDuration)).filter(isTraffic);
  return {
    ...when,
    requests: total(requests),
    failures: total(requests.filter(({ labels }) => Number(labels['status']) >= 500)),
    refusals: total(requests.filter(({ labels }) => Math.floor(Number(labels['status']) / 100) === 4)),
    latency: durationsOf(durations),
    ownLatency: durationsOf(durations.filter(({ labels }) => !WAITING.has(String(labels['route'])))),
    runs: total(await valuesOf(metrics.runs)),
    limitsHit: total(await valuesOf(metrics.rateLimited)),
    blocked: total(await valuesOf(metrics.blockedCommands)),
  };
}

/** What a counter says, by the values of one of its labels. */
export async function countsBy(counter: unknown, label: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { labels, value } of await valuesOf(counter)) counts[String(labels[label])] = (counts[String(labels[label])] ?? 0) + value;
  return counts;
}

async function valuesOf(metric: unknown): Promise<readonly Value[]> {
  return (await (metric as Readable).get()).values;
}

function isTraffic({ labels }: Value): boolean {
  return !PROBES.has(String(labels['route']));
}

function total(values: readonly Value[]): number {
  return values.reduce((sum, { value }) => sum + value, 0);
}

function durationsOf(values: readonly Value[]): Durations {
  const buckets = new Map<number, number>();
  let [count, sumSeconds] = [0, 0];
  for (const { metricName = '', labels, value } of values) {
    if (metricName.endsWith('_count')) count += value;
    else if (metricName.endsWith('_sum')) sumSeconds += value;
    else addTo(buckets, boundOf(labels['le']), value);
  }
  return { buckets, count, sumSeconds };
}

function boundOf(le: string | number | undefined): number {
  return le === '+Inf' ? Infinity : Number(le);
}

function addTo(buckets: Map<number, number>, bound: number, value: number): void {
  buckets.set(bound, (buckets.get(bound) ?? 0) + value);
}
