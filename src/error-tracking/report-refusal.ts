import type { ErrorTracker, Failure, FailureName } from '../domain/error-tracker.js';
import { codeOf, type ErrorCode, GatewayError } from '../domain/errors.js';

/** What a human must act on. Full queues, breakers and shut-downs pass by themselves, and what a caller did wrong is the caller's. */
const REPORTED: Readonly<Partial<Record<ErrorCode, FailureName>>> = {
  internal: 'internal',
  storage_unavailable: 'store_unwritable',
  outcome_unrecorded: 'store_unwritable',
  secrets_unreadable: 'secrets_unreadable',
};

/** Of the line about a failure of ours: `error` where a human must act, `warn` for what passes by itself. */
export function logLevelOf(code: ErrorCode): 'error' | 'warn' {
  return code === 'internal' || code === 'storage_unavailable' ? 'error' : 'warn';
}

/** Reports what was thrown at somebody who asked, where a human must act on it. */
export function reportRefusal(tracker: ErrorTracker, thrown: unknown, where: Pick<Failure, 'request' | 'runId'>): void {
  const code = codeOf(thrown);
  const name = REPORTED[code];
  if (name) tracker.report({ ...where, name, code, error: thrown instanceof GatewayError ? (thrown.extra.cause ?? thrown) : thrown });
}
