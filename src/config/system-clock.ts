import { Clock } from '../domain/ports.js';

export class SystemClock extends Clock {
  now(): string {
    return currentInstant();
  }

  monotonic(): number {
    return performance.now();
  }
}

let millisecond = NaN;
let text = '';

/** This instant, as {@link Clock.now} writes it. One run asks several times within the same millisecond. */
export function currentInstant(): string {
  const now = Date.now();
  if (now !== millisecond) {
    millisecond = now;
    text = new Date(now).toISOString();
  }
  return text;
}
