import { closeSync, openSync } from 'node:fs';
import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { Db, type WriteHealth, type Write } from '../../domain/db.js';
import { GatewayError } from '../../domain/errors.js';
import { NO_TRACER, type Tracer } from '../../domain/tracing.js';
import { migrateToLatest } from '../migrations/migrate.js';
import { CommitQueue, type QueueLimits, type Trouble } from './commit-queue.js';
import { makeDataFolder } from './data-folder.js';
import { DatabaseFiles } from './database-files.js';
import { processIdentity } from './process-identity.js';
import { rowWrite } from './row-write.js';
import { storageUnavailable } from './sqlite-errors.js';
import { SqliteReader } from './sqlite-reader.js';
import { followCommit } from './follow-commit.js';
import { compileWriteQueries } from './write-queries.js';
import type { WriterData, WriterReply, WriterRequest } from './sqlite-writer.worker.js';

const DEFAULT_LIMITS: QueueLimits = { waiting: 20_000, deadlineMs: 5_000 };
/** How often the files are looked at, and a store that failed is tried again. */
const WATCH_MS = 1_000;
/** Room for the writer's short-lived objects: a group of commits at a time. */
const WRITER_YOUNG_MB = 8;
/** Time the writer gets to fold its log and close. */
const CLOSE_MS = 10_000;

export interface StoreOptions extends Partial<QueueLimits> {
  /** Told when the store stops taking writes, with the reason; when that changes; and, with undefined, when it takes them again. */
  readonly onTrouble?: (trouble: Trouble | undefined) => void;
  /** Told of each commit with an entry of the audit log, when it is durable, in the asynchronous context of whoever made it. */
  readonly onRecorded?: () => void;
  /** Follows each commit that is part of something followed. */
  readonly tracer?: Tracer;
}

/**
 * The embedded store: one file under DATA_DIR, one writing connection in a thread of its own, one reading connection here.
 * Several processes may have it open at once; their transactions take turns.
 */
export class SqliteDb extends Db implements WriteHealth {
  /** The reading side, for the stores. */
  readonly reader = new SqliteReader();
  private readonly file: string;
  private readonly files: DatabaseFiles;
  private readonly queue: CommitQueue;
  private readonly owner = processIdentity();
  private readonly onRecorded: StoreOptions['onRecorded'];
  private readonly tracer: Tracer;
  private worker: Worker | undefined;
  private watching: NodeJS.Timeout | undefined;
  private stopping: Promise<void> | undefined;

  constructor(
    private readonly dataDir: string,
    { onTrouble, onRecorded, tracer = NO_TRACER, ...limits }: StoreOptions = {},
  ) {
    super();
    this.onRecorded = onRecorded;
    this.tracer = tracer;
    this.file = join(resolve(dataDir), 'sallyport.db');
    this.files = new DatabaseFiles(this.file);
    const tell = (trouble: Trouble | undefined) => {
      // The writer that ends with us is no news.
      if (!this.stopping) onTrouble?.(trouble);
    };
    this.queue = new CommitQueue((group) => this.post({ kind: 'write', group }), { ...DEFAULT_LIMITS, ...limits }, tell);
  }

  /** Commits taken since the start, and the transactions (each one fsync) they were carried out in. */
  get statistics(): Readonly<{ commits: number; transactions: number }> {
    return this.queue.statistics;
  }

  /** Commits that are not carried out yet. */
  get waiting(): number {
    return this.queue.size;
  }

  /** Makes the folder and the database when there are none, brings the schema up to date, opens both sides. */
  async start(): Promise<void> {
    try {
      makePrivate(resolve(this.dataDir), this.file);
      await migrate(this.file);
      this.reader.open(this.file);
      await this.startWriter();
      this.files.fault();
      this.watching = setInterval(() => this.watch(), WATCH_MS).unref();
    } catch (error) {
      await this.stop();
      throw error instanceof GatewayError ? error : storageUnavailable('The store cannot be opened.', error);
    }
  }

  /** Waits for commits under way, folds the log and closes. May be called at any time, and again. */
  stop(): Promise<void> {
    return (this.stopping ??= this.close());
  }

  async commit(writes: readonly Write[]): Promise<void> {
    if (!this.worker || this.stopping) throw storageUnavailable('The store is closed.');
    const rows = writes.map((write) => rowWrite(write, this.owner));
    const span = this.tracer.current;
    if (span.isRecording) await followCommit(span, rows, this.queue);
    else await this.queue.add(rows);
    if (this.onRecorded && writes.some(({ kind }) => kind === 'audit.append')) this.onRecorded();
  }

  async checkWritable(): Promise<void> {
    if (!this.worker || this.stopping) throw storageUnavailable('The store is closed.');
    this.lookAtFiles();
    if (this.queue.failure !== undefined) await this.commit([]);
  }

  /** Faults are noticed and told, and a store that works again is found to do so, also when nobody asks. */
  private watch(): void {
    // Whatever comes of it is noted by the queue.
    this.checkWritable().catch(() => undefined);
  }

  private lookAtFiles(): void {
    const fault = this.files.fault() ?? this.files.protection();
    if (fault !== undefined) this.queue.fail(fault);
  }

  private async startWriter(): Promise<void> {
    // Neither our loader flags nor our environment are the writer's business.
    const worker = new Worker(new URL('./sqlite-writer.worker.js', import.meta.url), {
      workerData: { file: this.file, queries: compileWriteQueries() } satisfies WriterData,
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: WRITER_YOUNG_MB },
      env: {},
    });
    const ready = once(worker, 'message');
    worker.on('error', (error) => this.queue.fail(`The writer failed: ${error.message}`));
    worker.on('exit', () => this.queue.fail('The writer is gone.'));
    this.worker = worker;
    await Promise.race([ready, once(worker, 'exit').then(() => Promise.reject(new Error('The writer did not start.')))]);
    worker.on('message', (reply: WriterReply) => {
      if (reply.kind === 'fault') this.queue.fail(reply.reason);
      if (reply.kind !== 'result') return;
      this.reader.nextMoment();
      this.queue.settle(reply.result);
    });
  }

  private post(request: WriterRequest): void {
    this.worker?.postMessage(request);
  }

  private async close(): Promise<void> {
    clearInterval(this.watching);
    await this.queue.idle();
    // The writer goes last: only a connection that may write clears the log away.
    this.reader.close();
    const { worker } = this;
    if (!worker || worker.threadId === -1) return;
    const gone = new Promise((resolve) => worker.once('exit', resolve));
    const impatience = setTimeout(() => void worker.terminate(), CLOSE_MS);
    this.post({ kind: 'close' });
    await gone;
    clearTimeout(impatience);
  }
}

/** The database holds what commands printed: nobody but us reads it. Its log and index take their mode from it. */
function makePrivate(folder: string, file: string): void {
  makeDataFolder(folder);
  closeSync(openSync(file, 'a', 0o600));
}

/** One transaction around everything: a second process that starts at the same time waits, and a failed step leaves no trace. */
async function migrate(file: string): Promise<void> {
  const database = new Database(file, { timeout: 5_000 });
  try {
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.exec('BEGIN IMMEDIATE');
    await migrateToLatest(new Kysely<unknown>({ dialect: new SqliteDialect({ database }) }));
    database.exec('COMMIT');
  } finally {
    database.close();
  }
}
