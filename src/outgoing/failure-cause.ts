import type { FailureCause } from '../domain/failure.js';
import type { CallFailure } from './call-failure.js';
import type { OutgoingAnswer } from './outgoing-call.js';

const LONGEST_WAIT_SECONDS = 86_400;

/** A call without an answer, for those who decide whether it is tried again. */
export function causeOf({ fault, sent }: Pick<CallFailure, 'fault' | 'sent'>): FailureCause {
  if (!sent) return fault === 'unreachable' ? { kind: 'refused' } : { kind: 'never_started' };
  return fault === 'timeout' ? { kind: 'timeout' } : { kind: 'lost' };
}

/** How long the service wants to be left alone. Only the form in seconds: for a date both clocks would have to agree. */
export function waitOf(headers: OutgoingAnswer['headers']): { readonly retryAfterMs?: number } {
  const after = headers['retry-after'];
  if (typeof after !== 'string' || !/^\d{1,6}$/.test(after)) return {};
  return { retryAfterMs: Math.min(Number(after), LONGEST_WAIT_SECONDS) * 1000 };
}
