export const FAILURE_KINDS = ['never_started', 'refused', 'timeout', 'status', 'exit_code', 'lost'] as const;
export type FailureKind = (typeof FAILURE_KINDS)[number];

/**
 * Why an attempt at something outside the gateway did not succeed, in the words of whoever made it. What is tried again and what a
 * circuit breaker counts follow from this alone. `retryAfterMs`: the other side said when to come again.
 */
export type FailureCause =
  /** Nothing reached the other side: the program could not be started, the address not be resolved. */
  | { readonly kind: 'never_started' }
  /** It was reached and turned the attempt away before it did anything: the connection was refused, all its places were taken. */
  | { readonly kind: 'refused'; readonly retryAfterMs?: number }
  /** No end in time. What it did is unknown. */
  | { readonly kind: 'timeout' }
  /** It answered with an HTTP status that is not what was hoped for. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterMs?: number }
  /** The program ended with another code than 0. */
  | { readonly kind: 'exit_code'; readonly code: number }
  /** Nobody saw how it ended: the connection broke off, the process that held the program went away. */
  | { readonly kind: 'lost' };

/** Whether it is certain that the other side has done nothing: such an attempt may be repeated whatever it would have done. */
export function didNothing({ kind }: FailureCause): boolean {
  return kind === 'never_started' || kind === 'refused';
}
