/** Times of two kinds of attempts, milliseconds, made in turns in an order that is drawn for each pair. */
export interface TimedPair {
  readonly one: number[];
  readonly other: number[];
}

/** Makes `pairs` attempts of each kind, after as many to warm up as a tenth of them. What both suffer from (load, garbage) falls on both. */
export async function timeInTurns(pairs: number, one: () => Promise<unknown>, other: () => Promise<unknown>): Promise<TimedPair> {
  const times: TimedPair = { one: [], other: [] };
  for (let pair = -Math.floor(pairs / 10); pair < pairs; pair++) {
    const [first, second] = Math.random() < 0.5 ? (['one', 'other'] as const) : (['other', 'one'] as const);
    for (const kind of [first, second]) {
      const before = performance.now();
      await (kind === 'one' ? one() : other());
      const took = performance.now() - before;
      if (pair >= 0) times[kind].push(took);
    }
  }
  return times;
}

/**
 * Welch's t of two samples, absolute. Beyond 4.5 they differ, as the test of Reparaz, Balasch and Verbauwhede (dudect, 2016) has it; like
 * there the slowest tenth of all is left out first, which tells of the machine and not of the attempts.
 */
export function welchT({ one, other }: TimedPair): number {
  const most = [...one, ...other].sort((a, b) => a - b)[Math.floor((one.length + other.length) * 0.9)] ?? Infinity;
  const [first, second] = [one, other].map((times) => moments(times.filter((time) => time <= most)));
  if (!first || !second) return 0;
  return Math.abs(first.mean - second.mean) / Math.sqrt(first.variance / first.count + second.variance / second.count);
}

/** 95 % interval of the difference of the medians, by 1,000 draws with replacement (the bootstrap). */
export function medianDifference({ one, other }: TimedPair): readonly [low: number, high: number] {
  const draws = Array.from({ length: 1_000 }, () => median(redrawn(one)) - median(redrawn(other))).sort((a, b) => a - b);
  return [draws[25] ?? NaN, draws[974] ?? NaN];
}

function redrawn(times: readonly number[]): number[] {
  return Array.from({ length: Math.min(times.length, 2_000) }, () => times[Math.floor(Math.random() * times.length)] ?? NaN);
}

function median(times: number[]): number {
  return times.sort((a, b) => a - b)[times.length >> 1] ?? NaN;
}

function moments(times: readonly number[]): { readonly count: number; readonly mean: number; readonly variance: number } {
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  const variance = times.reduce((sum, time) => sum + (time - mean) ** 2, 0) / (times.length - 1);
  return { count: times.length, mean, variance };
}
