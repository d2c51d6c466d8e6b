import { timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Db } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import type { Clock } from '../domain/ports.js';
import { type ApiKey, lineOf, type Principal } from '../domain/principal.js';
import type { KeyStore } from '../domain/stores.js';
import { isWithin } from '../addresses/address-ranges.js';
import type { AuthFailure, AuthObserver } from './auth-observer.js';
import { type Credentials, readCredentials } from './credentials.js';
import { hashSecret, parseKey } from './key-format.js';
import { isAlive, isExpired, isInOverlap } from './key-life.js';
import { holderOf, haveSameRights } from './key-rights.js';

const TOUCH_EVERY_MS = 60_000;
/** Compared against where there is no secret, so that it takes as long as a wrong one. */
const NO_HASH = '0'.repeat(64);
const ANONYMOUS = Promise.resolve(undefined);
const NOT_VALID = 'The API key is not valid.';

/** What the caller is told. Unknown, wrong, revoked and expired keys look the same: nobody learns which keys there are or were. */
const DETAILS: Readonly<Record<AuthFailure, string>> = {
  missing: 'Send an API key as `Authorization: Bearer <key>` or as `X-API-Key: <key>`.',
  malformed: 'The text sent is no API key: its form or its checksum is wrong.',
  unknown: NOT_VALID,
  wrong: NOT_VALID,
  rotated: NOT_VALID,
  revoked: NOT_VALID,
  expired: NOT_VALID,
  address: NOT_VALID,
};

/** Every reason, for whoever counts them. */
export const AUTH_FAILURES = Object.keys(DETAILS) as readonly AuthFailure[];

/** Turns a key into the principal that everything behind the door trusts. */
export class Authenticator {
  /** Key id and generation of its secret → when the last use was written. */
  private readonly touched = new LRUCache<string, number>({ max: 10_000 });
  /** Id of a key that there is: looked up where a guess names none. */
  private decoy = '';
  private guesses = 0;

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
    const generation = provenGeneration(key, parts.secret);
    if (!key || generation === undefined) throw await this.refuseGuess(key);
    const holder = await this.standing(key, generation, address);
    if (typeof holder === 'string') throw this.refusal(holder);
    this.touch(key.id, generation);
    return holder;
  }

  /**
   * Whether what let the caller in still holds, and lets it do the same: neither its key nor one above it has ended or changed its rights,
   * and the secret that it came with is still one of the key's.
   * @throws GatewayError `storage_unavailable`
   */
  async stillHolds(principal: Principal): Promise<boolean> {
    const key = await this.keys.find(principal.id);
    if (!key) return false;
    const holder = await this.standing(key, principal.generation ?? key.generation, principal.address);
    return typeof holder !== 'string' && haveSameRights(holder, principal);
  }

  /**
   * Whether the caller's key and all above it are neither revoked nor expired, whatever else has changed about them.
   * @throws GatewayError `storage_unavailable`
   */
  async isAlive(principal: Principal): Promise<boolean> {
    const keys = await Promise.all(lineOf(principal).map((id) => this.keys.find(id)));
    return keys.every((key) => key !== undefined && isAlive(key, this.clock.now()));
  }

  /** The holder of the key, or why it is none now. */
  private async standing(key: ApiKey, generation: number, address: string): Promise<Principal | AuthFailure> {
    const failure = judge(key, generation, address, this.clock.now());
    if (failure) return failure;
    if (key.parentId === null) return holderOf(key, generation, address, null);
    const above = await this.keys.find(key.parentId);
    const parent = above ? await this.standing(above, above.generation, address) : 'revoked';
    return typeof parent === 'string' ? parent : holderOf(key, generation, address, parent);
  }

  /**
   * Every guess costs one look-up that finds a key and one that finds none, whether its id was right or not. What finds none has another
   * name each time, as guesses have: what was looked up a moment ago is found faster.
   */
  private async refuseGuess(key: ApiKey | undefined): Promise<GatewayError> {
    await this.keys.find(key ? `-${++this.guesses}` : this.decoy);
    if (key) this.decoy = key.id;
    return this.refusal(key ? 'wrong' : 'unknown');
  }

  private refusal(reason: AuthFailure, detail = DETAILS[reason]): GatewayError {
    this.observer.authFailed(reason);
    return new GatewayError('unauthenticated', detail);
  }

  /** Notes the use of a secret, at most once a minute. Requests do not wait for it. */
  private touch(id: string, generation: number): void {
    const now = this.clock.monotonic();
    const name = generation === 0 ? id : `${id} ${generation}`;
    const last = this.touched.get(name);
    if (last !== undefined && now - last < TOUCH_EVERY_MS) return;
    this.touched.set(name, now);
    this.decoy = id;
    const write = { kind: 'key.touch', id, at: this.clock.now(), generation } as const;
    this.db.commit([write]).catch((error: unknown) => this.observer.touchFailed(error));
  }
}

/**
 * The generation of the key's secret that this is; undefined for none of them. Compares with both in constant time, so that nothing
 * about the key shows before the secret is proven.
 */
function provenGeneration(key: ApiKey | undefined, secret: string): number | undefined {
  const given = Buffer.from(hashSecret(secret), 'latin1');
  const isPresent = timingSafeEqual(given, Buffer.from(key?.secretHash ?? NO_HASH, 'latin1'));
  const isPrevious = timingSafeEqual(given, Buffer.from(key?.previous?.secretHash ?? NO_HASH, 'latin1'));
  if (!key || !(isPresent || isPrevious)) return undefined;
  return isPresent ? key.generation : key.generation - 1;
}

/** Why the key does not open the door to somebody who has its secret. */
function judge(key: ApiKey, generation: number, address: string, now: string): AuthFailure | undefined {
  if (key.revokedAt !== null) return 'revoked';
  if (isExpired(key, now)) return 'expired';
  if (generation !== key.generation && !isInOverlap(key, generation, now)) return 'rotated';
  return key.addresses && !isWithin(address, key.addresses) ? 'address' : undefined;
}
