import {
  BrokenCircuitError,
  circuitBreaker,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  ExponentialBackoff,
  handleWhenResult,
  retry,
  type RetryPolicy,
  wrap,
} from 'cockatiel';
import { GatewayError } from '../domain/errors.js';

const FAILURES_TO_OPEN = 5;
const RECOVERY_MS = 30_000;
const BACKOFF = new ExponentialBackoff({ initialDelay: 100, maxDelay: 1_000 });

/** What a command declares about failing. */
export interface FailurePolicy {
  readonly retry: { readonly attempts: number } | null;
  readonly breaker: string | null;
}

/** An attempt that came to an end; `failed` is what retry and breaker look at. */
export interface Attempt {
  readonly failed: boolean;
}

export const BREAKER_STATES = ['closed', 'half_open', 'open'] as const;
/** `half_open`: the next attempt is a trial. */
export type BreakerState = (typeof BREAKER_STATES)[number];

/** Retry around breaker around attempt: each attempt counts for the breaker, and an open breaker ends the retries. */
export class Resilience {
  private readonly breakers = new Map<string, CircuitBreakerPolicy>();
  private readonly retries = new Map<number, RetryPolicy>();
  /** Breaker → when it opened last, on the monotonic clock. */
  private readonly openedAt = new Map<string, number>();

  /** @param onTransition told when a breaker changes its state */
  constructor(private readonly onTransition: (name: string, to: BreakerState) => void = () => undefined) {}

  /** That of a breaker which was never needed is `closed`. An open one whose time is over waits for its trial. */
  stateOf(name: string): BreakerState {
    const state = this.breakers.get(name)?.state ?? CircuitState.Closed;
    if (state === CircuitState.Closed) return 'closed';
    const isOver = performance.now() - (this.openedAt.get(name) ?? 0) >= RECOVERY_MS;
    return state === CircuitState.HalfOpen || isOver ? 'half_open' : 'open';
  }

  /**
   * Attempts until one does not fail, the attempts are used up or `signal` aborts; the last attempt is the result.
   * @throws GatewayError `breaker_open` while the breaker refuses; the attempt is not made
   */
  async run<T extends Attempt>(policy: FailurePolicy, signal: AbortSignal, attempt: (number: number) => Promise<T>): Promise<T> {
    const attempts = policy.retry?.attempts ?? 1;
    if (attempts === 1 && policy.breaker === null) return attempt(1);
    let count = 0;
    const once = () => attempt(++count);
    try {
      if (policy.breaker === null) return await this.retry(attempts).execute(once, signal);
      return await wrap(this.retry(attempts), this.breaker(policy.breaker)).execute(once, signal);
    } catch (error) {
      if (!(error instanceof BrokenCircuitError)) throw error;
      throw new GatewayError('breaker_open', `The circuit breaker "${policy.breaker}" is open after repeated failures.`, {
        retryAfterSeconds: RECOVERY_MS / 1000,
      });
    }
  }

  private breaker(name: string): CircuitBreakerPolicy {
    let breaker = this.breakers.get(name);
    if (!breaker) {
      breaker = circuitBreaker(handleWhenResult(hasFailed), {
        halfOpenAfter: RECOVERY_MS,
        breaker: new ConsecutiveBreaker(FAILURES_TO_OPEN),
      });
      this.breakers.set(name, breaker);
      this.watch(name, breaker);
    }
    return breaker;
  }

  private watch(name: string, breaker: CircuitBreakerPolicy): void {
    breaker.onBreak(() => {
      this.openedAt.set(name, performance.now());
      this.onTransition(name, 'open');
    });
    breaker.onHalfOpen(() => this.onTransition(name, 'half_open'));
    breaker.onReset(() => this.onTransition(name, 'closed'));
  }

  private retry(attempts: number): RetryPolicy {
    let policy = this.retries.get(attempts);
    if (!policy) this.retries.set(attempts, (policy = retry(handleWhenResult(hasFailed), { maxAttempts: attempts - 1, backoff: BACKOFF })));
    return policy;
  }
}

function hasFailed(result: unknown): boolean {
  return (result as Attempt).failed;
}
