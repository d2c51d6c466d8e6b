import { SettingsError } from '../config/settings.js';
import type { AuditLog } from '../domain/audit-log.js';
import type { Db } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import type { Clock } from '../domain/ports.js';
import type { ApiKey, Principal } from '../domain/principal.js';
import type { KeyStore } from '../domain/stores.js';
import type { NewKey } from './auth.schemas.js';
import { type GeneratedKey, generateKey, hashSecret, isKeyId, isPlaceholder, parseKey } from './key-format.js';
import { isAlive } from './key-life.js';
import { LOCAL_PRINCIPAL } from './local-principal.js';

const LONGEST_LIFE_MS = 100 * 365 * 86_400_000;

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

/** Makes, shows and ends keys. Every change is one transaction with its audit entry. */
export class KeyService {
  /** Revocations wait for each other, so that two of them cannot each spare the other's admin key. */
  private lastRevocation: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly keys: KeyStore,
    private readonly db: Db,
    private readonly audit: AuditLog,
    private readonly clock: Clock,
  ) {}

  /** @throws GatewayError `invalid_request` when the expiry is past or more than 100 years ahead; `storage_unavailable` */
  async create(request: NewKey, manager: Manager): Promise<CreatedKey> {
    const generated = generateKey();
    const key = await this.insert(generated, request, manager);
    return { text: generated.text, key };
  }

  /** Oldest first, ended keys too. */
  list(): Promise<readonly ApiKey[]> {
    return this.keys.list();
  }

  /** @throws GatewayError `key_unknown` */
  async find(id: string): Promise<ApiKey> {
    const key = isKeyId(id) ? await this.keys.find(id) : undefined;
    if (!key) throw new GatewayError('key_unknown', 'There is no key of this id.');
    return key;
  }

  /**
   * Ends a key for good. Revoking it again changes nothing.
   * @throws GatewayError `key_unknown`; `conflict` for the last admin key that is alive
   */
  revoke(id: string, manager: Manager): Promise<void> {
    const revocation = this.lastRevocation.then(() => this.revokeNow(id, manager));
    // Its failure is the caller's; whoever waits behind only waits for its end.
    this.lastRevocation = revocation.catch(() => undefined);
    return revocation;
  }

  /**
   * Gives an empty store its first admin key.
   * @throws SettingsError when the key given is no key, or an example out of some text
   */
  async bootstrap(adminKey?: string): Promise<Bootstrap> {
    if ((await this.keys.list()).length > 0) return { kind: 'not_needed' };
    const manager = { principal: LOCAL_PRINCIPAL, requestId: 'bootstrap' };
    const generated = adminKey === undefined ? generateKey() : readAdminKey(adminKey);
    const { id } = await this.insert(generated, { name: 'bootstrap admin', role: 'admin', scopes: ['*'] }, manager);
    return adminKey === undefined ? { kind: 'made', id, text: generated.text } : { kind: 'given', id };
  }

  private async insert({ id, secretHash }: GeneratedKey, request: NewKey, { principal, requestId }: Manager): Promise<ApiKey> {
    const { name, role, scopes } = request;
    const now = this.clock.now();
    const expiresAt = expiryOf(request, now);
    const key: ApiKey = {
      id,
      secretHash,
      name,
      role,
      scopes,
      createdAt: now,
      createdBy: principal.id,
      expiresAt,
      revokedAt: null,
      lastUsedAt: null,
    };
    const details = { name, role, scopes, expiresAt };
    await this.db.commit([
      { kind: 'key.insert', key },
      this.audit.appended({ action: 'key.created', principalId: principal.id, subject: id, requestId, details }),
    ]);
    return key;
  }

  private async revokeNow(id: string, { principal, requestId }: Manager): Promise<void> {
    const key = await this.find(id);
    if (key.revokedAt !== null) return;
    if (await this.isLastAdmin(key)) throw new GatewayError('conflict', 'This is the last admin key; make another one first.');
    const details = { name: key.name, role: key.role };
    await this.db.commit([
      { kind: 'key.revoke', id, at: this.clock.now() },
      this.audit.appended({ action: 'key.revoked', principalId: principal.id, subject: id, requestId, details }),
    ]);
  }

  private async isLastAdmin(key: ApiKey): Promise<boolean> {
    const now = this.clock.now();
    const isAdmin = (candidate: ApiKey) => candidate.role === 'admin' && isAlive(candidate, now);
    return isAdmin(key) && !(await this.keys.list()).some((other) => other.id !== key.id && isAdmin(other));
  }
}

function expiryOf({ expiresAt, expiresIn }: NewKey, now: string): string | null {
  if (expiresAt === undefined && expiresIn === undefined) return null;
  const from = Date.parse(now);
  const end = expiresAt === undefined ? from + (expiresIn ?? 0) : Date.parse(expiresAt);
  if (end > from && end <= from + LONGEST_LIFE_MS) return new Date(end).toISOString();
  const path = expiresAt === undefined ? 'expiresIn' : 'expiresAt';
  throw new GatewayError('invalid_request', 'The key would not be valid for a sensible time.', {
    errors: [{ path, message: 'expected an end in the future, at most 100 years ahead' }],
  });
}

function readAdminKey(text: string): GeneratedKey {
  const parts = parseKey(text);
  if (!parts) throw new SettingsError(['ADMIN_KEY: expected a key made by `sallyport keys generate`']);
  if (isPlaceholder(parts.secret))
    throw new SettingsError(['ADMIN_KEY: looks like an example; expected a key made by `sallyport keys generate`']);
  return { ...parts, text, secretHash: hashSecret(parts.secret) };
}
