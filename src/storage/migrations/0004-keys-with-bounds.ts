import { sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** What keys are bound to, whose children they are, the secret before their rotation, and how many runs they have had. */
export const keysWithBounds: Migration = {
  async up(db) {
    for (const column of ['addresses', 'rate', 'parent_id', 'rotated_at', 'previous_hash', 'previous_until', 'previous_used_at'])
      await db.schema.alterTable('api_keys').addColumn(column, 'text').execute();
    for (const column of ['budget', 'calls']) await db.schema.alterTable('api_keys').addColumn(column, 'integer').execute();
    await db.schema
      .alterTable('api_keys')
      .addColumn('pins', 'text', (column) => column.notNull().defaultTo('{}'))
      .execute();
    await db.schema
      .alterTable('api_keys')
      .addColumn('generation', 'integer', (column) => column.notNull().defaultTo(0))
      .execute();
    await sql`create index api_keys_by_parent on api_keys (parent_id, created_at, id) where parent_id is not null`.execute(db);
    await db.schema.createIndex('api_keys_by_age').on('api_keys').columns(['created_at', 'id']).execute();
    await db.schema
      .createTable('key_usage')
      .addColumn('key_id', 'text', (column) => column.primaryKey().notNull())
      .addColumn('day', 'text', (column) => column.notNull())
      .addColumn('day_runs', 'integer', (column) => column.notNull())
      .addColumn('runs', 'integer', (column) => column.notNull())
      .execute();
  },
};
