import { sql } from 'kysely';
import type { AuditCheckpoint } from '../../domain/audit-checkpoint.js';
import type { FreezeRow } from '../freeze-row.js';
import type { AuditRow, IdempotencyRow, KeyRow, OutputRow, RunRow } from '../schema.js';
import type { ChainHead } from './audit-chain.js';
import { AUDIT_COLUMNS, END_COLUMNS, OPEN_RUN_COLUMNS, OUTPUT_COLUMNS, RUN_COLUMNS } from './row-columns.js';
import type { FreshIdempotencyRow, KeyChangeRow, KeyMark, KeyRotation, KeyTouch, OldIdempotencyRow } from './row-write.js';
import { compileQuery, pick, type Query } from './query.js';
import { secretQueries } from './secret-queries.js';
import { usageQueries } from './usage-queries.js';

const KEY_COLUMNS = [
  'id',
  'secret_hash',
  'name',
  'role',
  'scopes',
  'created_at',
  'created_by',
  'expires_at',
  'revoked_at',
  'last_used_at',
  'addresses',
  'rate',
  'budget',
  'tokens',
  'calls',
  'pins',
  'parent_id',
  'generation',
  'rotated_at',
  'previous_hash',
  'previous_until',
  'previous_used_at',
] as const satisfies readonly (keyof KeyRow)[];
const CHANGING_KEY_COLUMNS = [
  'name',
  'role',
  'scopes',
  'expires_at',
  'addresses',
  'rate',
  'budget',
  'tokens',
] as const satisfies readonly (keyof KeyChangeRow)[];
const IDEMPOTENCY_COLUMNS = [
  'principal_id',
  'key',
  'fingerprint',
  'run_id',
  'created_at',
] as const satisfies readonly (keyof IdempotencyRow)[];
/** Every query of the writer. */
export type WriteQueries = ReturnType<typeof compileWriteQueries>;

/** Compiled here and handed to the writer's thread, which does without the query builder and its memory. */
export function compileWriteQueries() {
  const query = <Input extends object, Row = unknown>(build: Query<Input, Row>) => compileQuery<Input, Row>(build);
  return {
    openRun: query<RunRow>((db, given) => db.insertInto('runs').values({ ...pick(given, OPEN_RUN_COLUMNS), ...OPEN })),
    insertRun: query<RunRow>((db, given) => db.insertInto('runs').values(pick(given, RUN_COLUMNS))),
    finishRun: query<RunRow>((db, given) =>
      db.updateTable('runs').set(pick(given, END_COLUMNS)).where('id', '=', given.id).where('finished_at', 'is', null),
    ),
    approveRun: query<{ id: string }>((db, given) =>
      db.updateTable('runs').set({ status: 'queued' }).where('id', '=', given.id).where('status', '=', 'awaiting_approval'),
    ),
    insertOutput: query<OutputRow>((db, given) => db.insertInto('run_outputs').values(pick(given, OUTPUT_COLUMNS))),
    removeRun: query<{ id: string }>((db, given) => db.deleteFrom('runs').where('id', '=', given.id).where('finished_at', 'is not', null)),
    removeOutput: query<{ id: string }>((db, given) => db.deleteFrom('run_outputs').where('run_id', '=', given.id)),
    // Changes no row while an earlier record of that key still counts.
    insertIdempotency: query<FreshIdempotencyRow>((db, given) =>
      db
        .insertInto('idempotency_keys')
        .values(pick(given, IDEMPOTENCY_COLUMNS))
        .onConflict((known) =>
          known
            .columns(['principal_id', 'key'])
            .doUpdateSet(pick(given, ['fingerprint', 'run_id', 'created_at']))
            .where('idempotency_keys.created_at', '<', given.free_before),
        ),
    ),
    removeIdempotency: query<OldIdempotencyRow>((db, given) =>
      db
        .deleteFrom('idempotency_keys')
        .where('principal_id', '=', given.principal_id)
        .where('key', '=', given.key)
        .where('created_at', '<', given.free_before),
    ),
    ...compileKeyQueries(),
    insertFreeze: query<FreezeRow>((db, given) =>
      db.insertInto('freezes').values(pick(given, ['id', 'target', 'mode', 'reason', 'created_at', 'created_by'])),
    ),
    removeFreeze: query<{ id: string }>((db, given) => db.deleteFrom('freezes').where('id', '=', given.id)),
    ...secretQueries(),
    insertCheckpoint: query<AuditCheckpoint>((db, given) => db.insertInto('audit_checkpoints').values(pick(given, ['size', 'at', 'note']))),
    insertAuditEntry: query<AuditRow>((db, given) => db.insertInto('audit_entries').values(pick(given, AUDIT_COLUMNS))),
    auditHead: query<object, ChainHead>((db) => db.selectFrom('audit_entries').select(['seq', 'hash']).orderBy('seq', 'desc').limit(1)),
  };
}

function compileKeyQueries() {
  const query = <Input extends object>(build: Query<Input, unknown>) => compileQuery<Input, unknown>(build);
  return {
    insertKey: query<KeyRow>((db, given) => db.insertInto('api_keys').values(pick(given, KEY_COLUMNS))),
    revokeKey: query<KeyMark>((db, given) =>
      db
        .updateTable('api_keys')
        .set({ revoked_at: sql`coalesce(revoked_at, ${given.at})` })
        .where('id', '=', given.id),
    ),
    touchKey: query<KeyTouch>((db, given) =>
      db
        .updateTable('api_keys')
        .set({
          last_used_at: sql`case generation when ${given.generation} then ${given.at} else last_used_at end`,
          previous_used_at: sql`case generation when ${given.generation} + 1 then ${given.at} else previous_used_at end`,
        })
        .where('id', '=', given.id),
    ),
    changeKey: query<KeyChangeRow>((db, given) =>
      db.updateTable('api_keys').set(pick(given, CHANGING_KEY_COLUMNS)).where('id', '=', given.id).where('revoked_at', 'is', null),
    ),
    rotateKey: query<KeyRotation>((db, given) =>
      db
        .updateTable('api_keys')
        .set((key) => ({
          previous_hash: key.ref('secret_hash'),
          previous_until: given.previous_until,
          previous_used_at: key.ref('last_used_at'),
          secret_hash: given.secret_hash,
          last_used_at: null,
          generation: key('generation', '+', 1),
          rotated_at: given.at,
        }))
        .where('id', '=', given.id)
        .where('revoked_at', 'is', null),
    ),
    ...usageQueries(),
  };
}

/** What the columns say of a run that was just accepted. */
const OPEN = { status: sql.lit('queued'), truncated: sql.lit(0), redactions: sql.lit(0), cached: sql.lit(0), attempts: sql.lit(0) };
