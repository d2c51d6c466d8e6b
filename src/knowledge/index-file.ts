import { rmSync } from 'node:fs';
import Database from 'better-sqlite3';

/** A file of SQLite that can be thrown away at any time: what is in it can be made again. */
export interface IndexFile {
  readonly file: string;
  /** Rises whenever something is kept in another way: a file of another version is made anew. */
  readonly version: number;
  readonly schema: string;
  /** Bytes; SQLite's own unless given. */
  readonly pageSize?: number;
}

/** Made when it is not there; made anew when it is damaged or of another version. */
export function openIndexFile(wanted: IndexFile): Database.Database {
  try {
    return opened(wanted);
  } catch {
    removeIndexFile(wanted.file);
    return opened(wanted);
  }
}

export function removeIndexFile(file: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
}

/** @throws Error when the file is no index of this version */
function opened({ file, version: wanted, schema, pageSize }: IndexFile): Database.Database {
  const database = new Database(file);
  try {
    if (pageSize !== undefined) database.pragma(`page_size = ${pageSize}`);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    database.pragma('foreign_keys = ON');
    const version = database.pragma('user_version', { simple: true });
    const isEmpty = database.prepare('select 1 from sqlite_master').get() === undefined;
    if (version === 0 && isEmpty) database.exec(`begin; ${schema} pragma user_version = ${wanted}; commit`);
    else if (version !== wanted) throw new Error('The index is of another version.');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
