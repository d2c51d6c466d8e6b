import type { AuditRecord } from '../../src/domain/audit.js';
import { AuditLog } from '../../src/domain/audit-log.js';
import { Db, type Write } from '../../src/domain/db.js';
import { GatewayError } from '../../src/domain/errors.js';
import type { ApiKey } from '../../src/domain/principal.js';
import { KeyStore } from '../../src/domain/stores.js';

/** Keys and audit records in memory: a key store, and the database that writes to it. */
export class MemoryKeyStore extends KeyStore {
  readonly keys = new Map<string, ApiKey>();
  readonly audited: AuditRecord[] = [];
  readonly commits: (readonly Write[])[] = [];
  /** Ids that were asked for, in order. */
  readonly lookups: string[] = [];
  /** When set, every commit fails with it and writes nothing. */
  failure: Error | undefined;

  readonly db: Db = new MemoryDb(this);
  readonly audit: AuditLog = new MemoryAuditLog();

  find(id: string): Promise<ApiKey | undefined> {
    this.lookups.push(id);
    return Promise.resolve(this.keys.get(id));
  }

  list(): Promise<readonly ApiKey[]> {
    return Promise.resolve([...this.keys.values()].sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1)));
  }

  apply(write: Write): void {
    switch (write.kind) {
      case 'key.insert':
        if (this.keys.has(write.key.id)) throw new GatewayError('conflict', 'A key of this id exists.');
        this.keys.set(write.key.id, write.key);
        break;
      case 'key.revoke':
        this.change(write.id, { revokedAt: write.at });
        break;
      case 'key.touch':
        this.change(write.id, { lastUsedAt: write.at });
        break;
      case 'audit.append':
        this.audited.push(write.record);
        break;
      case 'run.insert':
      case 'run.finish':
      case 'run.approve':
      case 'freeze.insert':
      case 'freeze.remove':
      case 'run.remove':
      case 'output.remove':
      case 'idempotency.insert':
      case 'idempotency.remove':
      case 'audit.checkpoint':
      case 'secret.put':
      case 'secret.remove':
      case 'secret.rewrap':
        throw new Error(`${write.kind} is not for the keys`);
    }
  }

  private change(id: string, change: Partial<ApiKey>): void {
    const key = this.keys.get(id);
    if (key) this.keys.set(id, { ...key, ...change });
  }
}

class MemoryDb extends Db {
  constructor(private readonly store: MemoryKeyStore) {
    super();
  }

  commit(writes: readonly Write[]): Promise<void> {
    if (this.store.failure) return Promise.reject(this.store.failure);
    this.store.commits.push(writes);
    for (const write of writes) this.store.apply(write);
    return Promise.resolve();
  }
}

class MemoryAuditLog extends AuditLog {
  appended(record: AuditRecord): Write {
    return { kind: 'audit.append', record, at: '2026-01-01T00:00:00.000Z' };
  }
}
