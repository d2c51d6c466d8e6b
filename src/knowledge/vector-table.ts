import Database from 'better-sqlite3';
import type { PassageVector } from '../domain/vectors.js';
import { openIndexFile, removeIndexFile } from './index-file.js';

/** Loads the extension into a database. @throws Error where there is none for this system */
export type LoadExtension = (database: Database.Database) => Promise<void>;

/** Loaded with the first vector: most indexes never have any. */
const loadSqliteVec: LoadExtension = async (database) => (await import('sqlite-vec')).load(database);

/** Each search reads all vectors, which takes two thirds of the time that it takes with pages of the usual size. */
const PAGE_BYTES = 65_536;
const CHECKPOINT_PAGES = 128;
const SCHEMA = 'create table place (name text not null); insert into place values (lower(hex(randomblob(16))));';

/** Where vectors are kept, or why there can be none here, for callers. */
export type TablePlace = { readonly name: string } | { readonly fault: string };

interface Neighbour {
  readonly rowid: number;
  readonly distance: number;
}

/** Vectors by the ids of their passages: a table of sqlite-vec in a file of its own, made by the first use. */
export class VectorTable {
  private opening: Promise<Database.Database | null> | undefined;

  constructor(
    private readonly file: string,
    private readonly load: LoadExtension = loadSqliteVec,
  ) {}

  /** The name is that of the file as it is: made anew, it has another one. */
  async place(): Promise<TablePlace> {
    if (!(await (this.opening ??= this.open()))) return { fault: 'sqlite-vec cannot be loaded on this system.' };
    return { name: await this.inside(nameOf) };
  }

  /** Forgets all; gives the new name. */
  clear(): Promise<string> {
    return this.inside((database) => {
      database.exec('drop table if exists vectors; update place set name = lower(hex(randomblob(16)))');
      return nameOf(database);
    });
  }

  put(passages: readonly Pick<PassageVector, 'id' | 'vector'>[]): Promise<void> {
    return this.inside((database) => {
      const [first] = passages;
      if (!first) return;
      database.transaction(() => {
        database.exec(
          `create virtual table if not exists vectors using vec0 (embedding float[${first.vector.length}] distance_metric=cosine)`,
        );
        drop(
          database,
          passages.map(({ id }) => id),
        );
        const insert = database.prepare('insert into vectors (rowid, embedding) values (?, ?)');
        for (const { id, vector } of passages) insert.run(BigInt(id), bytesOf(vector));
      })();
    });
  }

  remove(ids: readonly number[]): Promise<void> {
    return this.inside((database) => {
      if (hasVectors(database)) database.transaction(() => drop(database, ids))();
    });
  }

  nearest(vector: Float32Array, limit: number): Promise<readonly number[]> {
    return this.inside((database) => {
      if (!hasVectors(database)) return [];
      return database
        .prepare<unknown[], Neighbour>('select rowid, distance from vectors where embedding match ? and k = ? order by distance')
        .all(bytesOf(vector), limit)
        .flatMap(({ rowid, distance }) => (distance < 1 ? [rowid] : []));
    });
  }

  async close(): Promise<void> {
    (await this.opening?.catch(() => null))?.close();
  }

  private async open(): Promise<Database.Database | null> {
    const database = openIndexFile({ file: this.file, version: 1, schema: SCHEMA, pageSize: PAGE_BYTES });
    // What the ledger of the index says is there must be there after a power cut.
    database.pragma('synchronous = FULL');
    database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    try {
      await this.load(database);
      return database;
    } catch {
      database.close();
      return null;
    }
  }

  /** @throws Error where there can be no vectors, or the file fails; a damaged one is made anew by the next use */
  private async inside<T>(work: (database: Database.Database) => T): Promise<T> {
    const database = await (this.opening ??= this.open());
    if (!database) throw new Error('sqlite-vec is not loaded');
    try {
      return work(database);
    } catch (error) {
      if (isDamaged(error)) {
        this.opening = undefined;
        database.close();
        removeIndexFile(this.file);
      }
      throw error;
    }
  }
}

function nameOf(database: Database.Database): string {
  return database.prepare<[], { name: string }>('select name from place').get()?.name ?? '';
}

function hasVectors(database: Database.Database): boolean {
  return database.prepare("select 1 from sqlite_master where name = 'vectors'").get() !== undefined;
}

function drop(database: Database.Database, ids: readonly number[]): void {
  const remove = database.prepare('delete from vectors where rowid = ?');
  for (const id of ids) remove.run(BigInt(id));
}

function isDamaged(error: unknown): boolean {
  return error instanceof Database.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code);
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
