import type { Durations, Snapshot } from './snapshot.js';

/** Milliseconds; null where nothing was measured. */
export interface Latency {
  readonly averageMs: number | null;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
}

/** What happened between two snapshots. */
export interface Traffic {
  /** What the span covers in truth: less than asked for while the gateway is young. */
  readonly seconds: number;
  readonly requests: number;
  readonly perSecond: number;
  readonly failures: number;
  readonly failuresPerSecond: number;
  /** Share of the answers that were failures; 0 without any. */
  readonly failureRatio: number;
  readonly refusals: number;
  readonly latency: Latency;
  readonly ownLatency: Latency;
  readonly runs: number;
  readonly limitsHit: number;
  readonly blocked: number;
}

export function trafficBetween(before: Snapshot, after: Snapshot): Traffic {
  const seconds = Math.max(0, after.at - before.at) / 1000;
  const since = (name: 'requests' | 'failures' | 'refusals' | 'runs' | 'limitsHit' | 'blocked') => after[name] - before[name];
  const perSecond = (count: number) => (seconds > 0 ? rounded(count / seconds) : 0);
  const [requests, failures] = [since('requests'), since('failures')];
  return {
    seconds: rounded(seconds),
    requests,
    perSecond: perSecond(requests),
    failures,
    failuresPerSecond: perSecond(failures),
    failureRatio: requests > 0 ? rounded(failures / requests) : 0,
    refusals: since('refusals'),
    latency: latencyBetween(before.latency, after.latency),
    ownLatency: latencyBetween(before.ownLatency, after.ownLatency),
    runs: since('runs'),
    limitsHit: since('limitsHit'),
    blocked: since('blocked'),
  };
}

function latencyBetween(before: Durations, after: Durations): Latency {
  const count = after.count - before.count;
  if (count <= 0) return { averageMs: null, p50Ms: null, p95Ms: null, p99Ms: null };
  const counts = [...after.buckets].map(([bound, value]) => [bound, value - (before.buckets.get(bound) ?? 0)] as const);
  const sorted = counts.toSorted(([one], [other]) => one - other);
  const quantile = (share: number) => rounded(quantileOf(share * count, sorted) * 1000);
  return {
    averageMs: rounded(((after.sumSeconds - before.sumSeconds) / count) * 1000),
    p50Ms: quantile(0.5),
    p95Ms: quantile(0.95),
    p99Ms: quantile(0.99),
  };
}

/** As `histogram_quantile` of Prometheus: evenly spread inside a bucket; beyond the last bound, that bound. */
function quantileOf(rank: number, buckets: readonly (readonly [bound: number, upTo: number])[]): number {
  let [lower, below] = [0, 0];
  for (const [bound, upTo] of buckets) {
    if (upTo >= rank && upTo > below) return bound === Infinity ? lower : lower + ((bound - lower) * (rank - below)) / (upTo - below);
    if (bound === Infinity) break;
    [lower, below] = [bound, upTo];
  }
  return lower;
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
