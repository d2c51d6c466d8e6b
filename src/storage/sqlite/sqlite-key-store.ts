import { sql } from 'kysely';
import type { Page } from '../../domain/audit.js';
import type { ApiKey, KeyUsage, PrincipalId, TokenUsage } from '../../domain/principal.js';
import { KeyStore } from '../../domain/stores.js';
import { keyOf, type KeyRow, type KeyTokensRow, keyUsageOf, type KeyUsageRow } from '../schema.js';
import type { SqliteReader } from './sqlite-reader.js';

interface PageInput {
  readonly limit: number;
  readonly cursor: PrincipalId | null;
  readonly parentId: PrincipalId | null;
}

export class SqliteKeyStore extends KeyStore {
  private readonly byId;
  private readonly oldestFirst;
  private readonly paged;
  private readonly below;
  private readonly used;
  private readonly taken;
  /** Every request asks for its key; those that come in together mostly for the same one. */
  private readonly found = new Map<PrincipalId, ApiKey | undefined>();
  private foundAt = -1;

  constructor(private readonly reader: SqliteReader) {
    super();
    this.byId = reader.statement<{ id: string }, KeyRow>((db, given) => db.selectFrom('api_keys').selectAll().where('id', '=', given.id));
    this.oldestFirst = reader.statement<object, KeyRow>((db) => db.selectFrom('api_keys').selectAll().orderBy('created_at').orderBy('id'));
    this.paged = reader.statement<PageInput, KeyRow>((db, given) =>
      db
        .selectFrom('api_keys')
        .selectAll()
        .where(sql<boolean>`(${given.parentId} is null or parent_id = ${given.parentId})`)
        .where(
          sql<boolean>`(${given.cursor} is null or (created_at, id) > (select created_at, id from api_keys where id = ${given.cursor}))`,
        )
        .orderBy('created_at')
        .orderBy('id')
        .limit(given.limit),
    );
    this.below = reader.statement<{ id: string }, KeyRow>((db, given) =>
      db
        .withRecursive('tree(id)', (tree) =>
          tree
            .selectFrom('api_keys')
            .select('id')
            .where('parent_id', '=', given.id)
            .unionAll(tree.selectFrom('api_keys').innerJoin('tree', 'tree.id', 'api_keys.parent_id').select('api_keys.id')),
        )
        .selectFrom('api_keys')
        .selectAll()
        .where('id', 'in', (within) => within.selectFrom('tree').select('id'))
        .orderBy('created_at')
        .orderBy('id'),
    );
    this.used = reader.statement<{ id: string }, KeyUsageRow>((db, given) =>
      db.selectFrom('key_usage').selectAll().where('key_id', '=', given.id),
    );
    this.taken = reader.statement<{ id: string }, KeyTokensRow>((db, given) =>
      db.selectFrom('key_tokens').selectAll().where('key_id', '=', given.id),
    );
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

  async page({ limit, cursor = null, parentId = null }: Partial<PageInput> & { readonly limit: number }): Promise<Page<ApiKey>> {
    const items = this.paged.all({ limit: limit + 1, cursor, parentId }).map(keyOf);
    return { items: items.slice(0, limit), nextCursor: items.length > limit ? (items[limit - 1]?.id ?? null) : null };
  }

  async descendants(id: PrincipalId): Promise<readonly ApiKey[]> {
    return this.below.all({ id }).map(keyOf);
  }

  async usage(id: PrincipalId): Promise<KeyUsage | undefined> {
    const row = this.used.first({ id });
    return row && keyUsageOf(row);
  }

  async tokens(id: PrincipalId): Promise<TokenUsage | undefined> {
    const row = this.taken.first({ id });
    return row && { day: row.day, tokens: row.tokens };
  }
}
