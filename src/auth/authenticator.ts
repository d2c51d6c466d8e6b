import { timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Db } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import type { Clock } from '../domain/ports.js';
import type { ApiKey, Principal } from '../domain/principal.js';
import type { KeyStore } from '../domain/stores.js';
import type { AuthFailure, AuthObserver } from './auth-observer.js';
import { type Credentials, readCredentials } from './credentials.js';
import { hashSecret, parseKey } from './key-format.js';
import { isExpired } from './key-life.js';

const TOUCH_EVERY_MS = 60_000;
/** Compared against when there is no such key, so that it takes as long as a wrong secret. */
const NO_HASH = '0'.repeat(64);
const ANONYMOUS = Promise.resolve(undefined);
const NOT_VALID = 'The API key is not valid.';

/** What the caller is told. Unknown, wrong, revoked and expired keys look the same: nobody learns which keys there are or were. */
const DETAILS: Readonly<Record<AuthFailure, string>> = {
  missing: 'Send an API key as `Authorization: Bearer <key>` or as `X-API-Key: <key>`.',
  malformed: 'The text sent is no API key: its form or its checksum is wrong.',
  unknown: NOT_VALID,
  wrong: NOT_VALID,
  revoked: NOT_VALID,
  expired: NOT_VALID,
};

/** Every reason, for whoever counts them. */
export const AUTH_FAILURES = Object.keys(DETAILS) as readonly AuthFailure[];

/** Turns a key into the principal that everything behind the door trusts. */
export class Authenticator {
  /** Key id → when its last use was written. */
  private readonly touched = new LRUCache<string, number>({ max: 10_000 });

  constructor(
    private readonly keys: KeyStore,
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly observer: AuthObserver,
  ) {}

  /**
   * @param rawHeaders names and values in turn, as `IncomingMessage.rawHeaders` has them
   * @param address of the caller as the trusted-proxy rule gives it
   * @throws GatewayError `unauthenticated`, whatever is wrong with the key; `storage_unavailable` when keys cannot be read
   */
  authenticate(rawHeaders: readonly string[], address: string): Promise<Principal> {
    return this.identify(readCredentials(rawHeaders), address);
  }

  /** Like {@link authenticate}, but a request without a key is anonymous. A key that is given must be valid. */
  authenticateIfGiven(rawHeaders: readonly string[], address: string): Promise<Principal | undefined> {
    const credentials = readCredentials(rawHeaders);
    return credentials.kind === 'none' ? ANONYMOUS : this.identify(credentials, address);
  }

  private async identify(credentials: Credentials, address: string): Promise<Principal> {
    if (credentials.kind === 'none') throw this.refusal('missing');
    if (credentials.kind === 'ambiguous') throw this.refusal('malformed', 'Send one API key, in one header.');
    const parts = credentials.kind === 'key' ? parseKey(credentials.text) : undefined;
    if (!parts) throw this.refusal('malformed');
    const key = await this.keys.find(parts.id);
    const failure = judge(key, parts.secret, this.clock.now());
    if (!key || failure) throw this.refusal(failure ?? 'unknown');
    this.touch(key.id);
    return { id: key.id, name: key.name, role: key.role, scopes: key.scopes, address };
  }

  private refusal(reason: AuthFailure, detail = DETAILS[reason]): GatewayError {
    this.observer.authFailed(reason);
    return new GatewayError('unauthenticated', detail);
  }

  /** Notes the use of a key, at most once a minute. Requests do not wait for it. */
  private touch(id: string): void {
    const now = this.clock.monotonic();
    const last = this.touched.get(id);
    if (last !== undefined && now - last < TOUCH_EVERY_MS) return;
    this.touched.set(id, now);
    this.db.commit([{ kind: 'key.touch', id, at: this.clock.now() }]).catch((error: unknown) => this.observer.touchFailed(error));
  }
}

/** Compares in constant time first, so that nothing about the key shows before the secret is proven. */
function judge(key: ApiKey | undefined, secret: string, now: string): AuthFailure | undefined {
  const genuine = timingSafeEqual(Buffer.from(hashSecret(secret), 'latin1'), Buffer.from(key?.secretHash ?? NO_HASH, 'latin1'));
  if (!key) return 'unknown';
  if (!genuine) return 'wrong';
  if (key.revokedAt !== null) return 'revoked';
  return isExpired(key, now) ? 'expired' : undefined;
}
