import type { ApiKey, PrincipalId } from '../../domain/principal.js';
import { KeyStore } from '../../domain/stores.js';
import { keyOf, type KeyRow } from '../schema.js';
import type { SqliteReader } from './sqlite-reader.js';

export class SqliteKeyStore extends KeyStore {
  private readonly byId;
  private readonly oldestFirst;

  constructor(reader: SqliteReader) {
    super();
    this.byId = reader.statement<{ id: string }, KeyRow>((db, given) => db.selectFrom('api_keys').selectAll().where('id', '=', given.id));
    this.oldestFirst = reader.statement<object, KeyRow>((db) => db.selectFrom('api_keys').selectAll().orderBy('created_at').orderBy('id'));
  }

  async find(id: PrincipalId): Promise<ApiKey | undefined> {
    const row = this.byId.first({ id });
    return row && keyOf(row);
  }

  async list(): Promise<readonly ApiKey[]> {
    return this.oldestFirst.all({}).map(keyOf);
  }
}
