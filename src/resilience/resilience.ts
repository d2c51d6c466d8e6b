import type { FailureCause } from '../domain/failure.js';
import type { Clock } from '../domain/ports.js';
import type { BreakerPolicy, RetryPolicy } from '../domain/resilience.js';
import type { Breaker, Ended } from './breaker.js';
import { Breakers, type BreakersOptions } from './breakers.js';
import { RetrySchedule } from './retry-schedule.js';
import { pause } from './time-limits.js';

/** How something outside the gateway is guarded. */
export interface GuardPolicy {
  readonly retry: RetryPolicy | null;
  readonly breaker: BreakerPolicy | null;
  /** Whether doing it twice is as good as once. What is not is tried again only where it is certain that nothing was done. */
  readonly idempotent: boolean;
}

/** An attempt that came to an end. */
export interface Attempt {
  /** Null: it succeeded. `unclear`: it was ended from outside, or for a reason that says nothing of the other side. */
  readonly failure: Ended;
}

export interface ResilienceOptions extends BreakersOptions {
  /** Waits, and ends early when the signal aborts; a real wait unless given. */
  readonly pause?: (waitMs: number, signal: AbortSignal) => Promise<void>;
}

/** Retry around breaker around attempt: each attempt counts for the breaker, and an open breaker ends the retries. */
export class Resilience {
  readonly breakers: Breakers;
  private readonly clock: Clock;
  private readonly pause: NonNullable<ResilienceOptions['pause']>;

  constructor(options: ResilienceOptions) {
    this.breakers = new Breakers(options);
    this.clock = options.clock;
    this.pause = options.pause ?? pause;
  }

  /**
   * Attempts until one does not fail, or another would be of no use, come too late, or be refused; the last one is the result.
   * Returns at once from a wait when `signal` aborts.
   * @throws GatewayError `breaker_open` or `busy` while the breaker refuses the first attempt, which is not made then
   */
  async run<T extends Attempt>(
    { retry, breaker: declared, idempotent }: GuardPolicy,
    signal: AbortSignal,
    attempt: (number: number) => Promise<T>,
  ): Promise<T> {
    const breaker = declared ? this.breakers.of(declared) : undefined;
    const schedule = retry ? new RetrySchedule(retry, idempotent, this.clock) : undefined;
    for (let number = 1; ; number++) {
      const result = await throughBreaker(breaker, () => attempt(number));
      const waitMs = isFailure(result.failure) && !signal.aborted ? schedule?.waitAfter(result.failure) : undefined;
      if (waitMs === undefined || breaker?.refusal()) return result;
      await this.pause(waitMs, signal);
      if (signal.aborted || breaker?.refusal()) return result;
    }
  }
}

async function throughBreaker<T extends Attempt>(breaker: Breaker | undefined, attempt: () => Promise<T>): Promise<T> {
  if (!breaker) return attempt();
  const entry = breaker.enter();
  let ended: Ended = 'unclear';
  try {
    const result = await attempt();
    ended = result.failure;
    return result;
  } finally {
    breaker.leave(entry, ended);
  }
}

function isFailure(failure: Ended): failure is FailureCause {
  return failure !== null && failure !== 'unclear';
}
