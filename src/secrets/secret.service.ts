import type { AuditLog } from '../domain/audit-log.js';
import type { Db } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import type { Clock } from '../domain/ports.js';
import type { SecretName, SecretStore, StoredSecret } from '../domain/secret.js';
import type { RequestOrigin } from '../http/parameters.js';
import { openSecret, sealSecret, type MasterKey } from './envelope.js';
import type { KeyRing } from './key-ring.js';
import { retryingConflicts } from './retrying-conflicts.js';

/** Who manages secrets, on which request: what the audit log wants to know. */
export type Manager = Pick<RequestOrigin, 'principal' | 'requestId'>;

/** What is shown of a secret. */
export type SecretSummary = Pick<StoredSecret, 'name' | 'version' | 'createdAt' | 'updatedAt'>;

export interface SecretRooms {
  readonly store: SecretStore;
  readonly ring: KeyRing;
  readonly db: Db;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

/** Sets, lists and forgets secrets, and gives their values to commands. Every change is one transaction with its audit entry. */
export class SecretService {
  constructor(private readonly rooms: SecretRooms) {}

  /** By name. */
  async list(): Promise<readonly SecretSummary[]> {
    return (await this.rooms.store.list()).map(summaryOf);
  }

  async namesSet(): Promise<ReadonlySet<SecretName>> {
    return new Set((await this.rooms.store.list()).map(({ name }) => name));
  }

  /**
   * Sets a value, or another one; name and value are checked already. Runs under way keep what they started with.
   * @throws GatewayError `secrets_unreadable` when there are secrets under a master key that is not at hand; `storage_unavailable`
   */
  set(name: SecretName, value: string, manager: Manager): Promise<SecretSummary> {
    return retryingConflicts(() => this.setNow(name, value, manager));
  }

  /**
   * Works without the master key too.
   * @throws GatewayError `secret_unknown`
   */
  async delete(name: SecretName, { principal, requestId }: Manager): Promise<void> {
    const [known] = await this.rooms.store.find([name]);
    if (!known) throw unknownSecret();
    const details = { version: known.version };
    await this.rooms.db.commit([
      { kind: 'secret.remove', name },
      this.rooms.audit.appended({ action: 'secret.deleted', principalId: principal.id, subject: name, requestId, details }),
    ]);
  }

  /**
   * The values of these secrets as they are now, in this order.
   * @throws GatewayError `secret_missing` when one is not set; `secrets_unreadable` when one cannot be decrypted
   */
  async reveal(names: readonly SecretName[]): Promise<readonly string[]> {
    return (await this.open(names)) ?? (await this.open(names)) ?? refuseUnreadable(names);
  }

  /** Those that cannot be decrypted: the key is another one, or not there, or they were changed. */
  async unreadable(): Promise<readonly SecretName[]> {
    return (await this.rooms.store.list()).filter((secret) => this.valueOf(secret) === undefined).map(({ name }) => name);
  }

  /** Undefined when one cannot be decrypted; a rotation may have come between, so it is worth another look. */
  private async open(names: readonly SecretName[]): Promise<readonly string[] | undefined> {
    const found = await this.rooms.store.find(names);
    if (found.length < names.length) {
      const missing = names.filter((name) => !found.some((secret) => secret.name === name));
      throw new GatewayError('secret_missing', `The command needs secrets that are not set: ${missing.join(', ')}.`);
    }
    const values = found.map((secret) => this.valueOf(secret));
    return values.every((value) => value !== undefined) ? values : undefined;
  }

  private valueOf(secret: StoredSecret): string | undefined {
    const key = this.rooms.ring.find(secret.keyId);
    return key && openSecret(secret, key);
  }

  private async setNow(name: SecretName, value: string, { principal, requestId }: Manager): Promise<SecretSummary> {
    const { store, db, audit, clock } = this.rooms;
    const [[before], keyBefore, now] = [await store.find([name]), await store.keyId(), clock.now()];
    const label = { name, version: (before?.version ?? 0) + 1 };
    const secret: StoredSecret = {
      ...label,
      ...sealSecret(value, label, await this.keyFor(keyBefore)),
      createdAt: before?.createdAt ?? now,
      updatedAt: now,
    };
    const details = { version: secret.version };
    await db.commit([
      { kind: 'secret.put', secret, keyBefore },
      audit.appended({ action: 'secret.set', principalId: principal.id, subject: name, requestId, details }),
    ]);
    return summaryOf(secret);
  }

  /** The key that the store is under. An empty one may be under a key that was lost: it is free for another. */
  private async keyFor(id: string | null): Promise<MasterKey> {
    const known = id === null ? undefined : this.rooms.ring.find(id);
    if (known) return known;
    const stored = await this.rooms.store.list();
    if (stored.length === 0) return this.rooms.ring.first();
    // Somebody who set the first secret in between, or rotated the key, has not lost it.
    if ((await this.rooms.store.keyId()) !== id) throw new GatewayError('conflict', 'The master key was changed meanwhile.');
    return refuseUnreadable(stored.map(({ name }) => name));
  }
}

function summaryOf({ name, version, createdAt, updatedAt }: StoredSecret): SecretSummary {
  return { name, version, createdAt, updatedAt };
}

function unknownSecret(): GatewayError {
  return new GatewayError('secret_unknown', 'There is no secret of this name.');
}

function refuseUnreadable(names: readonly SecretName[]): never {
  throw unreadableSecrets(names);
}

export function unreadableSecrets(names: readonly SecretName[]): GatewayError {
  return new GatewayError(
    'secrets_unreadable',
    `These secrets cannot be decrypted: ${names.join(', ')}. Their master key is not at hand, or they were changed.`,
  );
}
