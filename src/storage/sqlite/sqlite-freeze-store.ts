import type { Freeze } from '../../domain/policy.js';
import { FreezeStore } from '../../domain/stores.js';
import { freezeOf, type FreezeRow } from '../freeze-row.js';
import type { SqliteReader } from './sqlite-reader.js';

export class SqliteFreezeStore extends FreezeStore {
  private readonly oldestFirst;

  constructor(reader: SqliteReader) {
    super();
    this.oldestFirst = reader.statement<object, FreezeRow>((db) => db.selectFrom('freezes').selectAll().orderBy('id'));
  }

  async list(): Promise<readonly Freeze[]> {
    return this.oldestFirst.all({}).map(freezeOf);
  }
}
