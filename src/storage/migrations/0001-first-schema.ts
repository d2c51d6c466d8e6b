import { sql, type Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Keys, runs with their output, the audit log. */
export const firstSchema: Migration = {
  async up(db) {
    await createKeys(db);
    await createRuns(db);
    await createAuditEntries(db);
  },
};

async function createKeys(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('api_keys')
    .addColumn('id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('secret_hash', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('role', 'text', (column) => column.notNull())
    .addColumn('scopes', 'text', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('created_by', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'text')
    .addColumn('revoked_at', 'text')
    .addColumn('last_used_at', 'text')
    .execute();
}

async function createRuns(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('runs')
    .addColumn('id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('command', 'text', (column) => column.notNull())
    .addColumn('command_version', 'text', (column) => column.notNull())
    .addColumn('principal_id', 'text', (column) => column.notNull())
    .addColumn('args', 'text', (column) => column.notNull())
    .addColumn('request_id', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('outcome', 'text')
    .addColumn('truncated', 'integer', (column) => column.notNull())
    .addColumn('redactions', 'integer', (column) => column.notNull())
    .addColumn('cached', 'integer', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('queued_at', 'text', (column) => column.notNull())
    .addColumn('started_at', 'text')
    .addColumn('finished_at', 'text')
    .addColumn('duration_ms', 'real')
    .addColumn('owner', 'text', (column) => column.notNull())
    .execute();
  // Ids sort by time of acceptance: each listing walks one of these backwards.
  await db.schema.createIndex('runs_by_principal').on('runs').columns(['principal_id', 'id']).execute();
  await db.schema.createIndex('runs_by_command').on('runs').columns(['command', 'id']).execute();
  await db.schema.createIndex('runs_by_status').on('runs').columns(['status', 'id']).execute();
  await db.schema.createIndex('runs_unfinished').on('runs').column('id').where(sql.ref('finished_at'), 'is', null).execute();
  await db.schema
    .createTable('run_outputs')
    .addColumn('run_id', 'text', (column) => column.primaryKey().notNull().references('runs.id').onDelete('cascade'))
    .addColumn('bytes', 'integer', (column) => column.notNull())
    .addColumn('chunks', 'text', (column) => column.notNull())
    .execute();
}

async function createAuditEntries(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('audit_entries')
    .addColumn('seq', 'integer', (column) => column.primaryKey().notNull())
    .addColumn('at', 'text', (column) => column.notNull())
    .addColumn('action', 'text', (column) => column.notNull())
    .addColumn('principal_id', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('request_id', 'text', (column) => column.notNull())
    .addColumn('details', 'text', (column) => column.notNull())
    .addColumn('previous_hash', 'text', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('audit_entries_by_action').on('audit_entries').columns(['action', 'seq']).execute();
}
