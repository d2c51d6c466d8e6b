import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { AuditRecord } from '../../src/domain/audit.js';
import type { Write } from '../../src/domain/db.js';
import type { ApiKey } from '../../src/domain/principal.js';
import type { Run } from '../../src/domain/run.js';
import type { QueueLimits } from '../../src/storage/sqlite/commit-queue.js';
import { SqliteAuditStore } from '../../src/storage/sqlite/sqlite-audit-store.js';
import { SqliteDb } from '../../src/storage/sqlite/sqlite-db.js';
import { SqliteKeyStore } from '../../src/storage/sqlite/sqlite-key-store.js';
import { SqliteRunStore } from '../../src/storage/sqlite/sqlite-run-store.js';

/** A real store in a folder of its own; `close` removes both. */
export interface TestStore {
  readonly folder: string;
  readonly db: SqliteDb;
  readonly runs: SqliteRunStore;
  readonly keys: SqliteKeyStore;
  readonly audit: SqliteAuditStore;
  /** Does to the database what no gateway would. */
  tamper(sql: string): void;
  close(): Promise<void>;
}

export function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'sallyport-'));
}

/** @param folder an existing one is left in place by `close` */
export async function openStore(options: { folder?: string; limits?: Partial<QueueLimits> } = {}): Promise<TestStore> {
  const folder = options.folder ?? (await temporaryFolder());
  const db = new SqliteDb(folder, options.limits);
  await db.start();
  return {
    folder,
    db,
    runs: new SqliteRunStore(db.reader, db),
    keys: new SqliteKeyStore(db.reader),
    audit: new SqliteAuditStore(db.reader),
    tamper: (sql) => withDatabase(folder, (database) => database.exec(sql)),
    close: async () => {
      await db.stop();
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Opens the database behind the store's back. */
export function withDatabase<T>(folder: string, work: (database: Database.Database) => T): T {
  const database = new Database(join(folder, 'sallyport.db'));
  try {
    return work(database);
  } finally {
    database.close();
  }
}

let lastRun = 0;

/** An accepted run; ids rise. */
export function sampleRun(differences: Partial<Run> = {}): Run {
  lastRun += 1;
  return {
    id: `run_${String(lastRun).padStart(32, '0')}`,
    command: 'git.log',
    commandVersion: 'a'.repeat(64),
    principalId: 'abcdefghijkl',
    args: { count: 20 },
    requestId: 'req-1',
    status: 'queued',
    outcome: null,
    truncated: false,
    redactions: 0,
    cached: false,
    attempts: 0,
    queuedAt: '2026-01-02T03:04:05.678Z',
    startedAt: null,
    finishedAt: null,
    durationMs: null,
    ...differences,
  };
}

export function finished(run: Run, differences: Partial<Run> = {}): Run {
  return {
    ...run,
    status: 'succeeded',
    outcome: { kind: 'exited', code: 0 },
    attempts: 1,
    startedAt: '2026-01-02T03:04:06.000Z',
    finishedAt: '2026-01-02T03:04:07.000Z',
    durationMs: 1000.5,
    ...differences,
  };
}

export function sampleKey(differences: Partial<ApiKey> = {}): ApiKey {
  return {
    id: 'abcdefghijkl',
    secretHash: 'c'.repeat(64),
    name: 'deploy',
    role: 'operator',
    scopes: ['git.*', 'system.uptime'],
    createdAt: '2026-01-02T03:04:05.678Z',
    createdBy: 'local',
    expiresAt: null,
    revokedAt: null,
    lastUsedAt: null,
    addresses: null,
    rate: null,
    budget: null,
    tokens: null,
    calls: null,
    pins: {},
    parentId: null,
    generation: 0,
    rotatedAt: null,
    previous: null,
    ...differences,
  };
}

/** A write that appends an entry about `subject`. */
export function auditAppend(subject: string, differences: Partial<AuditRecord> = {}): Write {
  const record: AuditRecord = {
    action: 'run.intent',
    principalId: 'abcdefghijkl',
    subject,
    requestId: 'req-1',
    details: { command: 'git.log' },
    ...differences,
  };
  return { kind: 'audit.append', record, at: '2026-01-02T03:04:05.678Z' };
}

/** What a run commits before it starts. */
export function intent(run: Run): Write[] {
  return [{ kind: 'run.insert', run, output: [] }, auditAppend(run.id)];
}
