import type { Migration } from 'kysely/migration';

/** Signed checkpoints of the audit log. */
export const auditCheckpoints: Migration = {
  async up(db) {
    await db.schema
      .createTable('audit_checkpoints')
      .addColumn('size', 'integer', (column) => column.primaryKey().notNull())
      .addColumn('at', 'text', (column) => column.notNull())
      .addColumn('note', 'text', (column) => column.notNull())
      .execute();
  },
};
