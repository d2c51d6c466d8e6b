import Database from 'better-sqlite3';
import { type ErrorCode, GatewayError } from '../../domain/errors.js';
import { EMPTY_CHAIN, chained, type ChainHead } from './audit-chain.js';
import { DatabaseFiles, LOG_KEEPS_BYTES } from './database-files.js';
import type { RowWrite, SecretsKeyChange } from './row-write.js';
import { isFailStop, sqliteCode } from './sqlite-errors.js';
import { Statement, type CompiledQuery } from './statement.js';
import type { WriteQueries } from './write-queries.js';

/** What became of a group of commits. */
export type GroupResult =
  /** Durable, but for the commits that conflicted: those left no trace. */
  | { readonly kind: 'written'; readonly conflicts: readonly Conflict[] }
  /** Nothing of the group was written. With `failStop` nothing will be until the gateway is restarted. */
  | { readonly kind: 'failed'; readonly reason: string; readonly failStop: boolean };

export interface Conflict {
  /** Place of the commit in its group, from 0. */
  readonly commit: number;
  /** `conflict`, unless there is a word for just this one. */
  readonly code: ErrorCode;
  readonly detail: string;
}

type WriteStatements = {
  readonly [Name in keyof WriteQueries]: WriteQueries[Name] extends CompiledQuery<infer Input, infer Row> ? Statement<Input, Row> : never;
};

type CarryOut = { readonly [Kind in RowWrite['kind']]: (write: Extract<RowWrite, { readonly kind: Kind }>) => void };

/** For the lock that another process holds. Less than the queue's deadline, so that waiting for it ends in a plain no and not in doubt. */
const LOCK_WAIT_MS = 4_000;
/** The log is folded into the database whenever it has grown by so many pages (4 MiB): it stays small, and few groups wait for it. */
const CHECKPOINT_PAGES = 1024;

/** What SQLite says of the log: whether somebody else was at it, then in pages those in it, and those of them that are in the database too. */
type LogState = readonly [busy: number, log: number, checkpointed: number];

/** The one connection that writes. Lives in a worker thread, where waiting for the disk holds up nobody. */
export class SqliteWriter {
  private readonly database: Database.Database;
  private readonly files: DatabaseFiles;
  private readonly statements: WriteStatements;
  private readonly transaction;
  private readonly savepoint;
  private head: ChainHead = EMPTY_CHAIN;
  private failStop: string | undefined;
  private readonly logState;
  private checkpointAt = CHECKPOINT_PAGES;

  /** How each kind of write is carried out. */
  private readonly carryOut: CarryOut = {
    'run.open': (write) => {
      this.statements.openRun.runWith(write.values);
    },
    'run.insert': (write) => {
      this.statements.insertRun.runWith(write.values);
      if (write.output) this.statements.insertOutput.runWith(write.output);
    },
    'run.finish': (write) => {
      mustChange(this.statements.finishRun.runWith(write.values), 'The run has ended already, or was never accepted.');
      if (write.output) this.statements.insertOutput.runWith(write.output);
    },
    'run.approve': (write) => {
      mustChange(this.statements.approveRun.run({ id: write.id }), 'The run does not wait for approval any more.');
    },
    'run.remove': (write) => {
      for (const id of write.ids) this.statements.removeRun.run({ id });
    },
    'output.remove': (write) => {
      for (const id of write.ids) this.statements.removeOutput.run({ id });
    },
    'idempotency.insert': (write) => {
      mustChange(this.statements.insertIdempotency.run(write.row), 'The idempotency key stands for another run.');
    },
    'idempotency.remove': (write) => {
      for (const row of write.rows) this.statements.removeIdempotency.run(row);
    },
    'key.insert': (write) => {
      this.statements.insertKey.run(write.row);
    },
    'key.revoke': (write) => {
      mustChange(this.statements.revokeKey.run(write.row), 'There is no such key.');
    },
    'key.touch': (write) => {
      this.statements.touchKey.run(write.row);
    },
    'secret.put': (write) => {
      this.putSecret(write);
    },
    'secret.remove': (write) => {
      mustChange(this.statements.removeSecret.run({ name: write.name }), 'There is no such secret.');
    },
    'secret.rewrap': (write) => {
      for (const row of write.rows) mustChange(this.statements.rewrapSecret.run(row), 'A secret was changed or deleted meanwhile.');
      this.changeSecretsKey(write.change);
    },
    'freeze.insert': (write) => {
      this.statements.insertFreeze.run(write.row);
    },
    'freeze.remove': (write) => {
      this.statements.removeFreeze.run({ id: write.id });
    },
    'key.change': (write) => {
      mustChange(this.statements.changeKey.run(write.row), 'The key has been revoked.');
    },
    'key.rotate': (write) => {
      mustChange(this.statements.rotateKey.run(write.row), 'The key has been revoked.');
    },
    'key.spend': (write) => {
      mustChange(this.statements.spendKey.run(write.row), 'This key, or one that it was made from, has had its runs.', 'budget_used_up');
    },
    'key.tokens': (write) => {
      this.statements.countTokens.run(write.row);
    },
    'audit.append': (write) => {
      const { values, head } = chained(write.values, this.head);
      this.statements.insertAuditEntry.runWith(values);
      this.head = head;
    },
    'audit.checkpoint': (write) => {
      this.statements.insertCheckpoint.run(write.checkpoint);
    },
  };

  constructor(file: string, queries: WriteQueries) {
    this.database = new Database(file, { fileMustExist: true, timeout: LOCK_WAIT_MS });
    this.database.pragma('journal_mode = WAL');
    this.database.pragma('synchronous = FULL');
    this.database.pragma('foreign_keys = ON');
    // At the commit after a page was split SQLite walks through the whole cache; what is written lies close together, so a larger one is slower.
    this.database.pragma('cache_size = -4000');
    // Cutting the log whenever it starts anew, and letting it grow again, was half of what a commit cost the system.
    this.database.pragma(`journal_size_limit = ${LOG_KEEPS_BYTES}`);
    // SQLite forgets the errors of its own checkpoints; ours are told.
    this.database.pragma('wal_autocheckpoint = 0');
    this.files = new DatabaseFiles(file);
    this.statements = statementsOf(queries, () => this.database);
    // Raw: a pragma is prepared again at each use, and for rows that are objects better-sqlite3 then compiles a function.
    this.logState = this.database.prepare<[], LogState>('PRAGMA wal_checkpoint(NOOP)').raw();
    this.transaction = { begin: this.database.prepare('BEGIN IMMEDIATE'), commit: this.database.prepare('COMMIT') };
    this.savepoint = {
      begin: this.database.prepare('SAVEPOINT one_commit'),
      release: this.database.prepare('RELEASE one_commit'),
      rollBack: this.database.prepare('ROLLBACK TO one_commit'),
    };
  }

  /** Carries out the whole group in one transaction with one fsync. */
  write(group: readonly (readonly RowWrite[])[]): GroupResult {
    const fault = this.fault();
    if (fault !== undefined) return { kind: 'failed', reason: fault, failStop: true };
    try {
      const conflicts = this.transact(group);
      this.files.noteLog();
      return { kind: 'written', conflicts };
    } catch (error) {
      return this.failed(error);
    }
  }

  /** What has become of the files since the last write; once there is something, nothing is written any more. */
  fault(): string | undefined {
    return (this.failStop ??= this.files.fault());
  }

  /** Folds the log into the database when there is enough of it. To be called between groups, after the answer. */
  checkpointIfDue(): void {
    try {
      if (this.unfolded() < this.checkpointAt) return;
      this.database.pragma('wal_checkpoint(PASSIVE)');
      // A reader of another process may hold the rest back: trying again at once would only cost another fsync.
      this.checkpointAt = this.unfolded() + CHECKPOINT_PAGES;
    } catch (error) {
      if (isFailStop(error)) this.failStop = `The disk failed (${sqliteCode(error)}).`;
    }
  }

  /** Pages of the log that are not in the database yet. */
  private unfolded(): number {
    const [, log, checkpointed] = this.logState.get() ?? [0, 0, 0];
    return log - checkpointed;
  }

  /** The last connection to close folds what is left of the log. Where that fails the log stays, and the next start reads it. */
  close(): void {
    this.database.close();
  }

  /** Conflicts are rare, and savepoints make every page be copied before it is changed: they are set only when there is one. */
  private transact(group: readonly (readonly RowWrite[])[]): Conflict[] {
    this.begin();
    try {
      for (const commit of group) this.applyAll(commit);
      this.transaction.commit.run();
      return [];
    } catch (error) {
      if (conflictOf(error) === undefined) throw error;
    }
    this.database.exec('ROLLBACK');
    this.begin();
    const conflicts = group.flatMap((commit, index) => this.commitAlone(commit, index) ?? []);
    this.transaction.commit.run();
    return conflicts;
  }

  private begin(): void {
    this.transaction.begin.run();
    // Another process may have appended since.
    this.head = this.statements.auditHead.first({}) ?? EMPTY_CHAIN;
  }

  private commitAlone(writes: readonly RowWrite[], index: number): Conflict | undefined {
    const headBefore = this.head;
    this.savepoint.begin.run();
    try {
      this.applyAll(writes);
      this.savepoint.release.run();
      return undefined;
    } catch (error) {
      const conflict = conflictOf(error);
      if (conflict === undefined) throw error;
      this.head = headBefore;
      this.savepoint.rollBack.run();
      this.savepoint.release.run();
      return { commit: index, ...conflict };
    }
  }

  private applyAll(writes: readonly RowWrite[]): void {
    for (const write of writes) this.apply(write);
    if (writes.length === 0) this.touch();
  }

  private apply(write: RowWrite): void {
    (this.carryOut[write.kind] as (write: RowWrite) => void)(write);
  }

  private putSecret({ row, keyBefore }: Extract<RowWrite, { kind: 'secret.put' }>): void {
    mustChange(this.statements.putSecret.run(row), 'The secret was changed meanwhile.');
    if (keyBefore === null) this.statements.insertSecretsKey.run({ id: row.key_id });
    else this.changeSecretsKey({ before: keyBefore, after: row.key_id });
  }

  /** However the writes of several processes fall together: all secrets are under the key that the store names. */
  private changeSecretsKey(change: SecretsKeyChange): void {
    mustChange(this.statements.changeSecretsKey.run(change), 'The master key was changed meanwhile.');
    const strange = this.statements.strangeSecret.first({ id: change.after });
    mustChange(strange ? 0 : 1, 'There are secrets under another master key.');
  }

  /** The smallest write there is: a header field nobody reads, set to what it was. */
  private touch(): void {
    this.database.pragma('user_version = 0');
  }

  private failed(error: unknown): GroupResult {
    if (this.database.inTransaction) this.rollBack();
    const reason = sqliteCode(error) ?? String(error);
    if (isFailStop(error)) this.failStop = `The disk failed (${reason}).`;
    return { kind: 'failed', reason: this.failStop ?? reason, failStop: this.failStop !== undefined };
  }

  private rollBack(): void {
    try {
      this.database.exec('ROLLBACK');
    } catch (error) {
      this.failStop = `A failed transaction cannot be rolled back (${sqliteCode(error) ?? String(error)}).`;
    }
  }
}

function statementsOf(queries: WriteQueries, database: () => Database.Database): WriteStatements {
  const statements = Object.entries(queries).map(([name, query]) => [
    name,
    new Statement(database, query as CompiledQuery<object, unknown>),
  ]);
  return Object.fromEntries(statements) as WriteStatements;
}

function mustChange(rows: number, otherwise: string, code: ErrorCode = 'conflict'): void {
  if (rows === 0) throw new GatewayError(code, otherwise);
}

/** Undefined when the error is no conflict with what is stored. */
function conflictOf(error: unknown): Pick<Conflict, 'code' | 'detail'> | undefined {
  if (error instanceof GatewayError) return { code: error.code, detail: error.message };
  if (!sqliteCode(error)?.startsWith('SQLITE_CONSTRAINT')) return undefined;
  return { code: 'conflict', detail: 'There is a record of that id already.' };
}
