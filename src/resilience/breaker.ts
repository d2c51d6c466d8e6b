import { GatewayError } from '../domain/errors.js';
import type { FailureCause } from '../domain/failure.js';
import type { Clock } from '../domain/ports.js';
import type { BreakerPolicy, BreakerTransition } from '../domain/resilience.js';
import { type Verdict, verdictOn } from './classify.js';

/** What a breaker lets through, with what matters in that state alone. */
export type BreakerState =
  /** Everything. `failures`: in a row. */
  | { readonly kind: 'closed'; readonly failures: number }
  /** Nothing, until this moment of the monotonic clock. */
  | { readonly kind: 'open'; readonly untilMs: number }
  /** A few attempts that show how the other side is. */
  | { readonly kind: 'half_open'; readonly running: number; readonly succeeded: number };

/** An attempt that was let in. It counts for the state in which it was: what comes back after a change of state changes nothing. */
export interface Entry {
  readonly generation: number;
}

/** What became of attempts since the breaker is there. */
export interface BreakerCounts {
  readonly succeeded: number;
  readonly failed: number;
  /** Ended from outside, or for a reason that says nothing of the other side. */
  readonly unclear: number;
  /** Not made, because it was open or had no place. */
  readonly refused: number;
  /** How often it opened. */
  readonly opened: number;
}

/** What became of an attempt. */
export type Ended = FailureCause | 'unclear' | null;

const CLOSED: BreakerState = { kind: 'closed', failures: 0 };

/**
 * A circuit breaker: so many failures in a row open it, for a time it refuses, then a few probes decide. Time is the monotonic clock's,
 * so a clock that is set changes nothing. Each step is taken at once: of 100 callers exactly as many get through as there are probes.
 */
export class Breaker {
  private current = CLOSED;
  private generation = 0;
  private running = 0;
  private readonly count = { succeeded: 0, failed: 0, unclear: 0, refused: 0, opened: 0 };
  private failedLast: { readonly at: string; readonly cause: FailureCause } | null = null;
  private changed: string;

  /** @param onTransition told of each change; must not throw */
  constructor(
    readonly policy: BreakerPolicy,
    private readonly clock: Clock,
    private readonly onTransition: (transition: BreakerTransition) => void,
  ) {
    this.changed = clock.now();
  }

  /** At this moment: looking takes an open one whose time is over to `half_open`. */
  look(): BreakerState {
    if (this.current.kind === 'open' && this.clock.monotonic() >= this.current.untilMs)
      this.become({ kind: 'half_open', running: 0, succeeded: 0 });
    return this.current;
  }

  get counts(): BreakerCounts {
    return { ...this.count };
  }

  /** Attempts under way. */
  get inFlight(): number {
    return this.running;
  }

  /** ISO-8601 UTC. */
  get changedAt(): string {
    return this.changed;
  }

  get lastFailure(): { readonly at: string; readonly cause: FailureCause } | null {
    return this.failedLast;
  }

  /** To the microsecond; null unless it is open. */
  get refusesForMs(): number | null {
    const state = this.look();
    return state.kind === 'open' ? Math.round((state.untilMs - this.clock.monotonic()) * 1000) / 1000 : null;
  }

  /** Why an attempt would be refused now; undefined when it would not. */
  refusal(): GatewayError | undefined {
    const state = this.look();
    const { name, probes, concurrent } = this.policy;
    if (state.kind === 'open' || (state.kind === 'half_open' && state.running + state.succeeded >= probes))
      return new GatewayError('breaker_open', `The circuit breaker "${name}" is open after repeated failures.`, {
        // A probe that is under way may end at any moment.
        retryAfterSeconds: Math.max(1, Math.ceil((this.refusesForMs ?? 0) / 1000)),
      });
    if (concurrent === null || this.running < concurrent) return undefined;
    return new GatewayError('busy', `All places of the circuit breaker "${name}" are taken.`, { retryAfterSeconds: 1 });
  }

  /**
   * Lets an attempt in, which has to {@link leave}.
   * @throws GatewayError `breaker_open`; `busy` when as many are under way as may be
   */
  enter(): Entry {
    const refusal = this.refusal();
    if (refusal) {
      this.count.refused++;
      throw refusal;
    }
    this.running++;
    if (this.current.kind === 'half_open') this.current = { ...this.current, running: this.current.running + 1 };
    return { generation: this.generation };
  }

  leave({ generation }: Entry, ended: Ended): void {
    const verdict = this.note(ended);
    this.running--;
    if (generation !== this.generation) return;
    switch (this.current.kind) {
      case 'closed':
        this.leaveClosed(this.current.failures, verdict);
        break;
      case 'half_open':
        this.leaveHalfOpen(this.current, verdict);
        break;
      case 'open':
        break;
    }
  }

  /** Closes it by hand. What is under way counts no more. */
  reset(): void {
    if (this.look().kind === 'closed') {
      this.generation++;
      this.current = CLOSED;
    } else this.become(CLOSED);
  }

  private note(ended: Ended): Verdict {
    const verdict = verdictOf(ended, this.policy);
    this.count[verdict]++;
    if (verdict === 'failed') this.failedLast = { at: this.clock.now(), cause: ended as FailureCause };
    return verdict;
  }

  private leaveClosed(failures: number, verdict: Verdict): void {
    if (verdict === 'succeeded') this.current = CLOSED;
    else if (verdict === 'failed') {
      if (failures + 1 >= this.policy.failures) this.open();
      else this.current = { kind: 'closed', failures: failures + 1 };
    }
  }

  private leaveHalfOpen({ running, succeeded }: Extract<BreakerState, { kind: 'half_open' }>, verdict: Verdict): void {
    if (verdict === 'failed') this.open();
    else if (verdict === 'succeeded' && succeeded + 1 >= this.policy.probes) this.become(CLOSED);
    else this.current = { kind: 'half_open', running: running - 1, succeeded: succeeded + (verdict === 'succeeded' ? 1 : 0) };
  }

  private open(): void {
    this.count.opened++;
    this.become({ kind: 'open', untilMs: this.clock.monotonic() + this.policy.recoveryMs });
  }

  private become(state: BreakerState): void {
    const from = this.current.kind;
    this.current = state;
    this.generation++;
    this.changed = this.clock.now();
    this.onTransition({ name: this.policy.name, from, to: state.kind });
  }
}

function verdictOf(ended: Ended, policy: BreakerPolicy): Verdict {
  if (ended === null) return 'succeeded';
  return ended === 'unclear' ? ended : verdictOn(ended, policy);
}
