import { SecretStore, type SecretName, type StoredSecret } from '../../domain/secret.js';
import { secretOf, type SecretRow } from '../schema.js';
import type { SqliteReader } from './sqlite-reader.js';

export class SqliteSecretStore extends SecretStore {
  private readonly byName;
  private readonly all;
  private readonly key;

  constructor(reader: SqliteReader) {
    super();
    this.byName = reader.statement<{ name: string }, SecretRow>((db, given) =>
      db.selectFrom('secrets').selectAll().where('name', '=', given.name),
    );
    this.all = reader.statement<object, SecretRow>((db) => db.selectFrom('secrets').selectAll().orderBy('name'));
    this.key = reader.statement<object, { key_id: string }>((db) => db.selectFrom('secrets_key').select('key_id'));
  }

  async find(names: readonly SecretName[]): Promise<readonly StoredSecret[]> {
    return names.flatMap((name) => this.byName.first({ name }) ?? []).map(secretOf);
  }

  async list(): Promise<readonly StoredSecret[]> {
    return this.all.all({}).map(secretOf);
  }

  async keyId(): Promise<string | null> {
    return this.key.first({})?.key_id ?? null;
  }
}
