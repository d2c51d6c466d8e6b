import { SettingsError } from '../config/settings.js';
import type { AuditAction, Page } from '../domain/audit.js';
import type { AuditLog } from '../domain/audit-log.js';
import type { Db, Write } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import type { Clock } from '../domain/ports.js';
import type { ApiKey, KeyChange, Principal } from '../domain/principal.js';
import type { KeyStore } from '../domain/stores.js';
import type { ChangeRequest, KeyPageQuery, NewChildKey, NewKey } from './auth.schemas.js';
import { assertNarrower, type KeyTerms } from './child-rules.js';
import { type GeneratedKey, generateKey, generateSecret, hashSecret, isKeyId, isPlaceholder, parseKey } from './key-format.js';
import { isAlive } from './key-life.js';
import { LOCAL_PRINCIPAL } from './local-principal.js';
import { assertAlive, auditedTerms, endOf, type Making, newApiKey, termsOfChild, termsOfNew } from './new-key.js';

/** Generations below a key that no child was made from, and living children of one key: enough for any plan, and an end to walking them. */
const MOST_GENERATIONS = 4;
const MOST_CHILDREN = 100;

/** Who manages keys, on which request: what the audit log wants to know. */
export interface Manager {
  readonly principal: Principal;
  readonly requestId: string;
}

/** `text` is the key itself, to be shown once. */
export interface CreatedKey {
  readonly text: string;
  readonly key: ApiKey;
}

/** How an empty store got its first admin key. `made` alone carries the key, to be printed once: its operator knows a `given` one. */
export type Bootstrap =
  | { readonly kind: 'not_needed' }
  | { readonly kind: 'given'; readonly id: string }
  | { readonly kind: 'made'; readonly id: string; readonly text: string };

/**
 * Makes, shows, changes and ends keys. Every change is one transaction with its audit entry. Admins manage every key, others those that
 * were made from their own: to them no other key exists.
 */
export class KeyService {
  /** Changes wait for each other, so that two of them cannot each spare the other's admin key, or each be the last child allowed. */
  private lastChange: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly keys: KeyStore,
    private readonly db: Db,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** @throws GatewayError `invalid_request` when the expiry is past or more than 100 years ahead; `storage_unavailable` */
  async create(request: NewKey, manager: Manager): Promise<CreatedKey> {
    const generated = generateKey();
    const now = this.clock.now();
    const key = await this.insert(generated, request.name, termsOfNew(request, now), { at: now, parentId: null }, manager);
    return { text: generated.text, key };
  }

  /**
   * Makes a key from another one: of the manager's own, of one below it, or (admins) of any.
   * @throws GatewayError `forbidden` when it would exceed one of the keys above it; `key_unknown`; `conflict` when the parent has ended
   *   or has too many children; `invalid_request`
   */
  createChild(parentId: string, request: NewChildKey, manager: Manager): Promise<CreatedKey> {
    return this.inTurn(async () => {
      const parent = await this.findOwn(parentId, manager.principal);
      const now = this.clock.now();
      assertAlive(parent, now);
      await this.assertRoomBelow(parent, now);
      const terms = termsOfChild(request, parent, now);
      await this.assertWithinLine(terms, parent);
      const generated = generateKey();
      const key = await this.insert(generated, request.name, terms, { at: now, parentId: parent.id }, manager);
      return { text: generated.text, key };
    });
  }

  /** Oldest first, ended keys too. */
  page(query: KeyPageQuery): Promise<Page<ApiKey>> {
    return this.keys.page(pageOf(query));
  }

  /** The children of a key, as {@link page}. @throws GatewayError `key_unknown` */
  async children(parentId: string, query: KeyPageQuery, principal: Principal): Promise<Page<ApiKey>> {
    const { id } = await this.findOwn(parentId, principal);
    return this.keys.page({ ...pageOf(query), parentId: id });
  }

  /** A key that the principal manages, or its own. @throws GatewayError `key_unknown` */
  async findOwn(id: string, principal: Principal): Promise<ApiKey> {
    const key = await this.find(id);
    for (let at: ApiKey | undefined = key; at; at = at.parentId === null ? undefined : await this.keys.find(at.parentId))
      if (principal.role === 'admin' || at.id === principal.id) return key;
    throw unknownKey();
  }

  /** @throws GatewayError `key_unknown` */
  async find(id: string): Promise<ApiKey> {
    const key = isKeyId(id) ? await this.keys.find(id) : undefined;
    if (!key) throw unknownKey();
    return key;
  }

  /**
   * Takes effect at once; whatever streams the key has open end.
   * @throws GatewayError `key_unknown`; `conflict` for a key that has ended, and for the role of the last admin key; `forbidden` when a
   *   child would exceed a key above it; `invalid_request`
   */
  change(id: string, request: ChangeRequest, manager: Manager): Promise<ApiKey> {
    return this.inTurn(async () => {
      const key = await this.find(id);
      const now = this.clock.now();
      assertAlive(key, now);
      const change = changed(key, request, endOf(request, now));
      const after = { ...key, ...change };
      if (after.role !== 'admin') await this.assertNotLastAdmin(key);
      if (key.parentId !== null) await this.assertWithinLine(after, await this.find(key.parentId));
      const details = { before: auditedTerms(key), after: auditedTerms(after) };
      await this.commit([{ kind: 'key.change', id, change }], 'key.changed', id, details, manager);
      return after;
    });
  }

  /**
   * Gives the key another secret. The present one is taken for `overlapMs` more; the one before it, if its time is not over yet, no longer.
   * @throws GatewayError `key_unknown`; `conflict` for a key that has ended
   */
  rotate(id: string, overlapMs: number, manager: Manager): Promise<CreatedKey> {
    return this.inTurn(async () => {
      const key = await this.find(id);
      const at = this.clock.now();
      assertAlive(key, at);
      const { text, secretHash } = generateSecret(id);
      const validUntil = new Date(Date.parse(at) + overlapMs).toISOString();
      const rotation: Write = { kind: 'key.rotate', id, secretHash, at, previousUntil: validUntil };
      await this.commit([rotation], 'key.rotated', id, { name: key.name, previousValidUntil: validUntil }, manager);
      const previous = { secretHash: key.secretHash, validUntil, lastUsedAt: key.lastUsedAt };
      return { text, key: { ...key, secretHash, previous, rotatedAt: at, lastUsedAt: null, generation: key.generation + 1 } };
    });
  }

  /**
   * Ends a key and all that were made from it, for good. Revoking it again changes nothing.
   * @throws GatewayError `key_unknown`, also for a manager's own key unless that is an admin's; `conflict` for the last admin key alive
   */
  revoke(id: string, manager: Manager): Promise<void> {
    return this.inTurn(async () => {
      const key = await this.findOwn(id, manager.principal);
      if (key.id === manager.principal.id && manager.principal.role !== 'admin') throw unknownKey();
      if (key.revokedAt !== null) return;
      await this.assertNotLastAdmin(key);
      const ended = [key, ...(await this.keys.descendants(id))].filter(({ revokedAt }) => revokedAt === null);
      const at = this.clock.now();
      const writes = ended.flatMap((one): Write[] => [
        { kind: 'key.revoke', id: one.id, at },
        this.entry('key.revoked', one.id, { name: one.name, role: one.role, ...(one === key ? {} : { with: id }) }, manager),
      ]);
      await this.db.commit(writes);
    });
  }

  /**
   * Gives an empty store its first admin key.
   * @throws SettingsError when the key given is no key, or an example out of some text
   */
  async bootstrap(adminKey?: string): Promise<Bootstrap> {
    if ((await this.keys.page({ limit: 1 })).items.length > 0) return { kind: 'not_needed' };
    const manager = { principal: LOCAL_PRINCIPAL, requestId: 'bootstrap' };
    const generated = adminKey === undefined ? generateKey() : readAdminKey(adminKey);
    const now = this.clock.now();
    const terms = termsOfNew({ name: 'bootstrap admin', role: 'admin', scopes: ['*'] }, now);
    const { id } = await this.insert(generated, 'bootstrap admin', terms, { at: now, parentId: null }, manager);
    return adminKey === undefined ? { kind: 'made', id, text: generated.text } : { kind: 'given', id };
  }

  private inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.lastChange.then(change);
    // Its failure is the caller's; whoever waits behind only waits for its end.
    this.lastChange = result.catch(() => undefined);
    return result;
  }

  private async insert(
    generated: GeneratedKey,
    name: string,
    terms: KeyTerms,
    making: Omit<Making, 'by'>,
    manager: Manager,
  ): Promise<ApiKey> {
    const key = newApiKey(name, terms, generated, { ...making, by: manager.principal.id });
    await this.commit([{ kind: 'key.insert', key }], 'key.created', key.id, auditedTerms(key), manager);
    return key;
  }

  private commit(
    writes: readonly Write[],
    action: AuditAction,
    subject: string,
    details: Readonly<Record<string, unknown>>,
    manager: Manager,
  ): Promise<void> {
    return this.db.commit([...writes, this.entry(action, subject, details, manager)]);
  }

  private entry(action: AuditAction, subject: string, details: Readonly<Record<string, unknown>>, manager: Manager): Write {
    return this.audit.appended({ action, principalId: manager.principal.id, subject, requestId: manager.requestId, details });
  }

  /** Also above the parent: a key that was narrowed later bounds everything below it. */
  private async assertWithinLine(terms: KeyTerms, parent: ApiKey): Promise<void> {
    for (let above: ApiKey | undefined = parent; above; above = above.parentId === null ? undefined : await this.find(above.parentId))
      assertNarrower(terms, above);
  }

  private async assertRoomBelow(parent: ApiKey, now: string): Promise<void> {
    let generations = 1;
    for (let { parentId } = parent; parentId !== null; generations++) ({ parentId } = await this.find(parentId));
    if (generations > MOST_GENERATIONS)
      throw new GatewayError('conflict', `Keys are made from each other ${MOST_GENERATIONS} times at most.`);
    const living = (await this.keys.descendants(parent.id)).filter((one) => one.parentId === parent.id && isAlive(one, now));
    if (living.length >= MOST_CHILDREN)
      throw new GatewayError('conflict', `The key has ${MOST_CHILDREN} living children; revoke some first.`);
  }

  private async assertNotLastAdmin(key: ApiKey): Promise<void> {
    const now = this.clock.now();
    const isAdmin = (candidate: ApiKey) => candidate.role === 'admin' && isAlive(candidate, now);
    if (!isAdmin(key) || (await this.keys.list()).some((other) => other.id !== key.id && isAdmin(other))) return;
    throw new GatewayError('conflict', 'This is the last admin key; make another one first.');
  }
}

function changed(key: ApiKey, request: ChangeRequest, end: string | null | undefined): KeyChange {
  const {
    name = key.name,
    role = key.role,
    scopes = key.scopes,
    addresses = key.addresses,
    rate = key.rate,
    budget = key.budget,
    tokens = key.tokens,
  } = request;
  return { name, role, scopes, expiresAt: end === undefined ? key.expiresAt : end, addresses, rate, budget, tokens };
}

function pageOf({ limit, cursor }: KeyPageQuery): { limit: number; cursor?: string } {
  return { limit, ...(cursor === undefined ? {} : { cursor }) };
}

function unknownKey(): GatewayError {
  return new GatewayError('key_unknown', 'There is no key of this id.');
}

function readAdminKey(text: string): GeneratedKey {
  const parts = parseKey(text);
  if (!parts) throw new SettingsError(['ADMIN_KEY: expected a key made by `sallyport keys generate`']);
  if (isPlaceholder(parts.secret))
    throw new SettingsError(['ADMIN_KEY: looks like an example; expected a key made by `sallyport keys generate`']);
  return { ...parts, text, secretHash: hashSecret(parts.secret) };
}
