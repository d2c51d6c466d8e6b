/** Why a key was not accepted. For metrics only: callers cannot tell the last four apart. */
export type AuthFailure = 'missing' | 'malformed' | 'unknown' | 'wrong' | 'revoked' | 'expired';

/** Whose window a request spends from. */
export type RateScope = 'key' | 'address';

/** What this room reports about its work; metrics and the log listen. */
export abstract class AuthObserver {
  abstract authFailed(reason: AuthFailure): void;
  abstract rateLimited(scope: RateScope): void;
  /** The time of last use could not be written. The request goes on; the next try comes a minute later. */
  abstract touchFailed(error: unknown): void;
}
