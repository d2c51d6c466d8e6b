import { ExponentialBackoff, fullJitterGenerator } from 'cockatiel';
import type { FailureCause } from '../domain/failure.js';
import type { Clock } from '../domain/ports.js';
import type { RetryPolicy } from '../domain/resilience.js';
import { mayRepeat, retryAfterOf } from './classify.js';

type Backoff = ReturnType<ExponentialBackoff<number>['next']>;

/** Whether and when one thing is tried again. Its budget begins when it is made. */
export class RetrySchedule {
  private made = 1;
  private backoff: Backoff | undefined;
  private readonly startedAt: number;

  constructor(
    private readonly policy: RetryPolicy,
    private readonly idempotent: boolean,
    private readonly clock: Clock,
  ) {
    this.startedAt = clock.monotonic();
  }

  /** Milliseconds until the next attempt after one that ended so; undefined when there is none. */
  waitAfter(cause: FailureCause): number | undefined {
    const { attempts, budgetMs } = this.policy;
    if (this.made >= attempts || !mayRepeat(cause, this.policy, this.idempotent)) return undefined;
    const waitMs = Math.max(this.nextDelay(), retryAfterOf(cause));
    const spentMs = this.clock.monotonic() - this.startedAt;
    if (budgetMs !== null && spentMs + waitMs > budgetMs) return undefined;
    this.made++;
    return waitMs;
  }

  private nextDelay(): number {
    const { delayMs, maxDelayMs } = this.policy;
    this.backoff = this.backoff
      ? this.backoff.next(undefined)
      : new ExponentialBackoff({ generator: fullJitterGenerator, initialDelay: delayMs, maxDelay: maxDelayMs }).next();
    return this.backoff.duration;
  }
}
