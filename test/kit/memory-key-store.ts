import type { AuditRecord } from '../../src/domain/audit.js';
import { AuditLog } from '../../src/domain/audit-log.js';
import { Db, type Write } from '../../src/domain/db.js';
import { GatewayError } from '../../src/domain/errors.js';
import type { Page } from '../../src/domain/audit.js';
import type { ApiKey, KeyUsage, TokenUsage } from '../../src/domain/principal.js';
import { KeyStore } from '../../src/domain/stores.js';

/** Keys and audit records in memory: a key store, and the database that writes to it. */
export class MemoryKeyStore extends KeyStore {
  readonly keys = new Map<string, ApiKey>();
  readonly audited: AuditRecord[] = [];
  readonly commits: (readonly Write[])[] = [];
  readonly usages = new Map<string, KeyUsage>();
  readonly taken = new Map<string, TokenUsage>();
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

  async page({ limit, parentId }: { limit: number; parentId?: string }): Promise<Page<ApiKey>> {
    const items = (await this.list()).filter((key) => parentId === undefined || key.parentId === parentId);
    return { items: items.slice(0, limit), nextCursor: null };
  }

  async descendants(id: string): Promise<readonly ApiKey[]> {
    const children = (await this.list()).filter(({ parentId }) => parentId === id);
    return [...children, ...(await Promise.all(children.map((child) => this.descendants(child.id)))).flat()];
  }

  usage(id: string): Promise<KeyUsage | undefined> {
    return Promise.resolve(this.usages.get(id));
  }

  tokens(id: string): Promise<TokenUsage | undefined> {
    return Promise.resolve(this.taken.get(id));
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
      case 'key.change':
        this.change(write.id, write.change);
        break;
      case 'key.rotate':
        this.rotate(write);
        break;
      case 'key.spend': {
        const { day, dayRuns = 0, runs = 0 } = this.usages.get(write.id) ?? {};
        this.usages.set(write.id, { day: write.day, dayRuns: day === write.day ? dayRuns + 1 : 1, runs: runs + 1 });
        break;
      }
      case 'key.tokens': {
        const { day, tokens = 0 } = this.taken.get(write.id) ?? {};
        this.taken.set(write.id, { day: write.day, tokens: (day === write.day ? tokens : 0) + write.tokens });
        break;
      }
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

  private rotate({ id, secretHash, at, previousUntil }: Extract<Write, { kind: 'key.rotate' }>): void {
    const key = this.keys.get(id);
    if (!key) return;
    const previous = { secretHash: key.secretHash, validUntil: previousUntil, lastUsedAt: key.lastUsedAt };
    this.change(id, { secretHash, previous, rotatedAt: at, lastUsedAt: null, generation: key.generation + 1 });
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
