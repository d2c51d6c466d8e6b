import { join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { GatewayError } from '../../domain/errors.js';
import { makeDataFolder } from './data-folder.js';
import { sqliteCode, storageUnavailable } from './sqlite-errors.js';

/** What is locked, and what is said when another process holds it. */
interface LockWords {
  /** Name of the file. */
  readonly name: string;
  readonly held: string;
}

const SERVER: LockWords = { name: 'server.lock', held: 'Another server works on DATA_DIR. Stop it, or choose another folder.' };

/**
 * At most one server works on a DATA_DIR. The lock is the kernel's (SQLite's exclusive lock on an empty database, kept open):
 * it goes with the process however that ends, so none is ever stale, and it is seen across containers that share the folder.
 */
export class DataDirLock {
  private database: Database.Database | undefined;

  constructor(
    private readonly dataDir: string,
    private readonly words: LockWords = SERVER,
  ) {}

  /** @throws GatewayError `conflict` when another living process holds it */
  acquire(): void {
    const folder = resolve(this.dataDir);
    makeDataFolder(folder);
    const database = new Database(join(folder, this.words.name), { timeout: 0 });
    try {
      database.exec('BEGIN EXCLUSIVE');
      this.database = database;
    } catch (error) {
      database.close();
      if (sqliteCode(error)?.startsWith('SQLITE_BUSY')) throw new GatewayError('conflict', this.words.held);
      throw storageUnavailable('DATA_DIR cannot be locked.', error);
    }
  }

  /** May be called at any time, and again. */
  release(): void {
    this.database?.close();
    this.database = undefined;
  }
}
