/**
 * Why a key was not accepted. For metrics only: from `unknown` on callers cannot tell them apart. `rotated`: its secret was replaced, and
 * the overlap is over; `address`: it may not be used from there; a child's `revoked`, `expired` and `address` may be those of a key above it.
 */
export type AuthFailure = 'missing' | 'malformed' | 'unknown' | 'wrong' | 'rotated' | 'revoked' | 'expired' | 'address';

/** Whose window a request spends from. */
export type RateScope = 'key' | 'address';

/** What this room reports about its work; metrics and the log listen. */
export abstract class AuthObserver {
  abstract authFailed(reason: AuthFailure): void;
  abstract rateLimited(scope: RateScope): void;
  /** The time of last use could not be written. The request goes on; the next try comes a minute later. */
  abstract touchFailed(error: unknown): void;
  /** Whether the keys of open answers still hold could not be found out. The next try comes in a moment. */
  abstract watchFailed(error: unknown): void;
}
