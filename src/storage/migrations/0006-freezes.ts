import type { Migration } from 'kysely/migration';

/** The switches that hold runs back: one for each target. */
export const freezes: Migration = {
  async up(db) {
    await db.schema
      .createTable('freezes')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('target', 'text', (column) => column.notNull().unique())
      .addColumn('mode', 'text', (column) => column.notNull())
      .addColumn('reason', 'text', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('created_by', 'text', (column) => column.notNull())
      .execute();
  },
};
