import { didNothing, type FailureCause, type FailureKind } from '../domain/failure.js';
import type { BreakerPolicy, RetryPolicy } from '../domain/resilience.js';

/** Statuses after which the same request may well succeed (RFC 9110, RFC 8470, RFC 6585). */
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);
const SERVER_ERROR = 500;

/** What an attempt means to a breaker. `unclear`: nothing. */
export type Verdict = 'succeeded' | 'failed' | 'unclear';

/**
 * Whether another attempt makes sense and does no harm.
 * @param idempotent whether twice is as good as once; what is not is repeated only where nothing was done
 */
export function mayRepeat(cause: FailureCause, { on }: Pick<RetryPolicy, 'on'>, idempotent: boolean): boolean {
  if (!on.includes(cause.kind) || !(idempotent || didNothing(cause))) return false;
  return cause.kind !== 'status' || PASSING_STATUSES.has(cause.status);
}

/** A status such as 404 is an answer of somebody who is well. */
export function verdictOn(cause: FailureCause, { on }: Pick<BreakerPolicy, 'on'>): Verdict {
  if (on.includes(cause.kind) && (cause.kind !== 'status' || isIll(cause.status))) return 'failed';
  return hasAnswered(cause.kind) ? 'succeeded' : 'unclear';
}

/** How long the other side asked to be left alone, milliseconds. */
export function retryAfterOf(cause: FailureCause): number {
  return ('retryAfterMs' in cause ? cause.retryAfterMs : undefined) ?? 0;
}

function isIll(status: number): boolean {
  return status >= SERVER_ERROR || PASSING_STATUSES.has(status);
}

function hasAnswered(kind: FailureKind): boolean {
  return kind === 'status' || kind === 'exit_code';
}
