import type { Migration } from 'kysely/migration';

/** How many tokens of language models keys may take a day, and have taken. */
export const keyTokens: Migration = {
  async up(db) {
    await db.schema.alterTable('api_keys').addColumn('tokens', 'integer').execute();
    await db.schema
      .createTable('key_tokens')
      .addColumn('key_id', 'text', (column) => column.primaryKey().notNull())
      .addColumn('day', 'text', (column) => column.notNull())
      .addColumn('tokens', 'integer', (column) => column.notNull())
      .execute();
  },
};
