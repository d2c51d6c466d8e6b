import { sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Secrets for commands, encrypted, and the name of the master key that all of them are under. */
export const secrets: Migration = {
  async up(db) {
    await db.schema
      .createTable('secrets')
      .addColumn('name', 'text', (column) => column.primaryKey().notNull())
      .addColumn('version', 'integer', (column) => column.notNull())
      .addColumn('key_id', 'text', (column) => column.notNull())
      .addColumn('wrapped_key', 'text', (column) => column.notNull())
      .addColumn('sealed', 'text', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('updated_at', 'text', (column) => column.notNull())
      .execute();
    await db.schema
      .createTable('secrets_key')
      .addColumn('slot', 'integer', (column) => column.primaryKey().notNull())
      .addColumn('key_id', 'text', (column) => column.notNull())
      .addCheckConstraint('secrets_key_one_row', sql`slot = 1`)
      .execute();
  },
};
