import type { PrincipalId } from './principal.js';
import type { RunId } from './run.js';

/** A caller's own name for one request (header `Idempotency-Key`): 1 to 255 visible ASCII characters, unique to its principal. */
export type IdempotencyKey = string;

/** How long a key stands for its run. */
export const IDEMPOTENCY_KEPT_MS = 24 * 60 * 60 * 1000;

/** A key that a principal gave to a request. */
export interface IdempotencyClaim {
  readonly principalId: PrincipalId;
  readonly key: IdempotencyKey;
  /** Keyed digest of the request, hex: equal for equal requests, secrets included. */
  readonly fingerprint: string;
}

/** A key and the run that it stands for. */
export interface IdempotencyRecord extends IdempotencyClaim {
  readonly runId: RunId;
  readonly createdAt: string;
}
