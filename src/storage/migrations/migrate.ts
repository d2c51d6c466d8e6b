import type { Kysely } from 'kysely';
import { Migrator, type Migration } from 'kysely/migration';
import { GatewayError } from '../../domain/errors.js';
import { firstSchema } from './0001-first-schema.js';
import { idempotencyKeys } from './0002-idempotency-keys.js';
import { leanIndexes } from './0003-lean-indexes.js';
import { keysWithBounds } from './0004-keys-with-bounds.js';
import { auditCheckpoints } from './0005-audit-checkpoints.js';
import { freezes } from './0006-freezes.js';
import { secrets } from './0007-secrets.js';
import { keyTokens } from './0008-key-tokens.js';

/** Every step of the schema, oldest first. A released step never changes; a new one is added below. */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-first-schema': firstSchema,
  '0002-idempotency-keys': idempotencyKeys,
  '0003-lean-indexes': leanIndexes,
  '0004-keys-with-bounds': keysWithBounds,
  '0005-audit-checkpoints': auditCheckpoints,
  '0006-freezes': freezes,
  '0007-secrets': secrets,
  '0008-key-tokens': keyTokens,
};

/**
 * Brings the schema up to date. The caller holds whatever lock keeps a second process from doing the same.
 * @throws GatewayError `storage_unavailable` when a newer program has changed the schema already: an older one would misread it
 */
export async function migrateToLatest(db: Kysely<unknown>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve({ ...MIGRATIONS }) } });
  const unknown = (await appliedMigrations(db)).filter((name) => !Object.hasOwn(MIGRATIONS, name));
  if (unknown.length > 0) {
    throw new GatewayError(
      'storage_unavailable',
      `The database was made by a newer version of the gateway (it knows ${unknown.join(', ')}). Start that version, or restore a backup of this one.`,
    );
  }
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined)
    throw new GatewayError('storage_unavailable', 'The schema of the database cannot be brought up to date.', { cause: error });
}

async function appliedMigrations(db: Kysely<unknown>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === 'kysely_migration')) return [];
  const rows = await db.withTables<{ kysely_migration: { name: string } }>().selectFrom('kysely_migration').select('name').execute();
  return rows.map(({ name }) => name);
}
