import { LRUCache } from 'lru-cache';
import type { Rate } from '../domain/rate.js';
import { type Budget, type Clock, RateCounter } from '../domain/ports.js';

interface Window {
  readonly endsAt: number;
  /** Of the rate it was begun for: another one begins another window. */
  readonly windowMs: number;
  used: number;
}

/** Far more callers than spend at one time; beyond it the longest unused window is forgotten. */
const MAX_BUCKETS = 100_000;

/**
 * Counts in the memory of this process. A bucket's window is fixed and begins with its first request. Nothing is awaited between looking and
 * counting, so limits are exact however many callers come at once.
 */
export class MemoryRateCounter extends RateCounter {
  private readonly windows = new LRUCache<string, Window>({ max: MAX_BUCKETS });

  constructor(private readonly clock: Clock) {
    super();
  }

  spend(bucket: string, rate: Rate): Promise<Budget> {
    const now = this.clock.monotonic();
    let window = this.current(bucket, rate, now);
    if (!window) {
      window = { endsAt: now + rate.windowMs, windowMs: rate.windowMs, used: 0 };
      this.windows.set(bucket, window);
    }
    const allowed = window.used < rate.count;
    if (allowed) window.used += 1;
    return Promise.resolve(budgetOf(window, rate, allowed, now));
  }

  peek(bucket: string, rate: Rate): Promise<Budget> {
    const now = this.clock.monotonic();
    const window = this.current(bucket, rate, now) ?? { endsAt: now + rate.windowMs, windowMs: rate.windowMs, used: 0 };
    return Promise.resolve(budgetOf(window, rate, window.used < rate.count, now));
  }

  private current(bucket: string, { windowMs }: Rate, now: number): Window | undefined {
    const window = this.windows.get(bucket);
    return window && now < window.endsAt && window.windowMs === windowMs ? window : undefined;
  }
}

function budgetOf({ endsAt, used }: Window, { count, windowMs }: Rate, allowed: boolean, now: number): Budget {
  // The sum of two times may be rounded up: never more than the window.
  const leftMs = Math.min(endsAt - now, windowMs);
  return { allowed, limit: count, remaining: Math.max(0, count - used), resetSeconds: Math.ceil(leftMs / 1000) };
}
