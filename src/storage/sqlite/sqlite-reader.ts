import Database from 'better-sqlite3';
import { storageUnavailable } from './sqlite-errors.js';
import { compileQuery, type Query } from './query.js';
import { Statement } from './statement.js';

/** What a store asks the reader: compiled at once, prepared when first needed. */
export interface ReadStatement<Input, Row> {
  first(input: Input): Row | undefined;
  all(input: Input): Row[];
}

/**
 * The reading side: one read-only connection on the calling thread. Reads see every commit that was acknowledged before them.
 * No read stays open over an await, so that none holds back the write-ahead log.
 */
export class SqliteReader {
  private database: Database.Database | undefined;
  private moments = 0;
  private turnEnds = false;

  open(file: string): void {
    this.database = new Database(file, { readonly: true, fileMustExist: true, timeout: 5_000 });
  }

  close(): void {
    this.database?.close();
    this.database = undefined;
  }

  /**
   * Names the present: what was read at the same moment is as good as read now. Another one begins with each turn of the event loop,
   * and with each group of this process's own commits.
   */
  get moment(): number {
    if (!this.turnEnds) {
      this.turnEnds = true;
      setImmediate(() => {
        this.turnEnds = false;
        this.nextMoment();
      });
    }
    return this.moments;
  }

  nextMoment(): void {
    this.moments += 1;
  }

  /** @throws GatewayError `storage_unavailable` from its functions, when the store cannot be read */
  statement<Input extends object, Row>(query: Query<Input, Row>): ReadStatement<Input, Row> {
    const statement = new Statement(() => this.opened(), compileQuery<Input, Row>(query));
    return {
      first: (input) => read(() => statement.first(input)),
      all: (input) => read(() => statement.all(input)),
    };
  }

  private opened(): Database.Database {
    if (!this.database) throw new Error('The reading connection is not open.');
    return this.database;
  }
}

function read<T>(query: () => T): T {
  try {
    return query();
  } catch (error) {
    throw storageUnavailable('The store cannot be read.', error);
  }
}
