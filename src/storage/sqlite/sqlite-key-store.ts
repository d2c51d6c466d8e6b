import type { ApiKey, PrincipalId } from '../../domain/principal.js';
import { KeyStore } from '../../domain/stores.js';
import { keyOf, type KeyRow } from '../schema.js';
import type { SqliteReader } from './sqlite-reader.js';

export class SqliteKeyStore extends KeyStore {
  private readonly byId;
  private readonly oldestFirst;
  /** Every request asks for its key; those that come in together mostly for the same one. */
  private readonly found = new Map<PrincipalId, ApiKey | undefined>();
  private foundAt = -1;

  constructor(private readonly reader: SqliteReader) {
    super();
    this.byId = reader.statement<{ id: string }, KeyRow>((db, given) => db.selectFrom('api_keys').selectAll().where('id', '=', given.id));
    this.oldestFirst = reader.statement<object, KeyRow>((db) => db.selectFrom('api_keys').selectAll().orderBy('created_at').orderBy('id'));
  }

  async find(id: PrincipalId): Promise<ApiKey | undefined> {
    const { moment } = this.reader;
    if (moment !== this.foundAt) this.found.clear();
    this.foundAt = moment;
    if (!this.found.has(id)) {
      const row = this.byId.first({ id });
      this.found.set(id, row && keyOf(row));
    }
    return this.found.get(id);
  }

  async list(): Promise<readonly ApiKey[]> {
    return this.oldestFirst.all({}).map(keyOf);
  }
}
