import { FAILURE_KINDS } from '../../src/domain/failure.js';
import type { BreakerPolicy, BreakerTransition, RetryPolicy } from '../../src/domain/resilience.js';
import { Resilience } from '../../src/resilience/resilience.js';
import { ManualClock } from './manual-clock.js';

export const breakerPolicy: BreakerPolicy = {
  name: 'peer',
  failures: 5,
  recoveryMs: 30_000,
  probes: 1,
  concurrent: null,
  on: FAILURE_KINDS,
};

export const retryPolicy: RetryPolicy = {
  attempts: 5,
  delayMs: 100,
  maxDelayMs: 1_000,
  budgetMs: null,
  attemptTimeoutMs: null,
  on: FAILURE_KINDS,
};

/** Resilience in virtual time: a wait moves the clock and is written down. */
export class VirtualTime {
  readonly clock = new ManualClock();
  readonly waits: number[] = [];
  readonly transitions: string[] = [];
  readonly resilience: Resilience;

  constructor(declared: readonly BreakerPolicy[] = [breakerPolicy]) {
    this.resilience = new Resilience({
      clock: this.clock,
      declared: () => declared,
      onTransition: ({ name, from, to }: BreakerTransition) => void this.transitions.push(`${name} ${from} ${to}`),
      pause: async (waitMs) => {
        this.waits.push(waitMs);
        this.clock.advance(waitMs);
      },
    });
  }
}
