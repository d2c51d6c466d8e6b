import type { FailureKind } from './failure.js';

/** When and how often something is tried again. Times are milliseconds. */
export interface RetryPolicy {
  /** The first one counts. */
  readonly attempts: number;
  /** The longest wait before the second attempt; it doubles before each further one. The wait itself is random, from 0 up to that. */
  readonly delayMs: number;
  readonly maxDelayMs: number;
  /** No attempt begins later than this after the first one began; null: the timeout of the whole is the only bound. */
  readonly budgetMs: number | null;
  /** How long each attempt may take; null: as long as the whole. */
  readonly attemptTimeoutMs: number | null;
  /** Causes that are tried again. */
  readonly on: readonly FailureKind[];
}

/** When a circuit breaker opens and closes. Whoever names it shares it. */
export interface BreakerPolicy {
  readonly name: string;
  /** So many failures in a row open it. */
  readonly failures: number;
  /** How long it refuses, milliseconds. */
  readonly recoveryMs: number;
  /** Attempts that it lets through after that; it closes when all of them succeed. */
  readonly probes: number;
  /** Attempts at one time, over all who share it; null: no limit. */
  readonly concurrent: number | null;
  /** Causes that it counts. */
  readonly on: readonly FailureKind[];
}

export const BREAKER_STATES = ['closed', 'half_open', 'open'] as const;
export type BreakerStateName = (typeof BREAKER_STATES)[number];

/** A breaker went from one state to another. */
export interface BreakerTransition {
  readonly name: string;
  readonly from: BreakerStateName;
  readonly to: BreakerStateName;
}
