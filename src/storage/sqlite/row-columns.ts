import type { AuditRow, OutputRow, RunRow } from '../schema.js';

/** What is known of a run when it is accepted; the other columns stand in the query. */
export const OPEN_RUN_COLUMNS = [
  'id',
  'command',
  'command_version',
  'principal_id',
  'args',
  'request_id',
  'queued_at',
  'owner',
] as const satisfies readonly (keyof RunRow)[];
/** What changes when a run ends. */
export const END_COLUMNS = [
  'status',
  'outcome',
  'truncated',
  'redactions',
  'cached',
  'attempts',
  'started_at',
  'finished_at',
  'duration_ms',
] as const satisfies readonly (keyof RunRow)[];
/** The parameters of the query that ends a run. */
const FINISH_COLUMNS = [...END_COLUMNS, 'id'] as const satisfies readonly (keyof RunRow)[];
export const RUN_COLUMNS = [
  ...FINISH_COLUMNS,
  'command',
  'command_version',
  'principal_id',
  'args',
  'request_id',
  'queued_at',
  'owner',
] as const satisfies readonly (keyof RunRow)[];
export const OUTPUT_COLUMNS = ['run_id', 'bytes', 'chunks'] as const satisfies readonly (keyof OutputRow)[];
/** An entry before it has its place in the chain. */
const UNCHAINED_AUDIT_COLUMNS = [
  'at',
  'action',
  'principal_id',
  'subject',
  'request_id',
  'details',
] as const satisfies readonly (keyof AuditRow)[];
export const AUDIT_COLUMNS = ['seq', ...UNCHAINED_AUDIT_COLUMNS, 'previous_hash', 'hash'] as const satisfies readonly (keyof AuditRow)[];

/** A row's values in the order of these columns. */
type ValuesOf<Columns extends readonly (keyof Row)[], Row> = { readonly [Place in keyof Columns]: Row[Columns[Place]] };
export type OpenRunValues = ValuesOf<typeof OPEN_RUN_COLUMNS, RunRow>;
export type FinishValues = ValuesOf<typeof FINISH_COLUMNS, RunRow>;
export type RunValues = ValuesOf<typeof RUN_COLUMNS, RunRow>;
export type OutputValues = ValuesOf<typeof OUTPUT_COLUMNS, OutputRow>;
export type UnchainedAuditValues = ValuesOf<typeof UNCHAINED_AUDIT_COLUMNS, AuditRow>;
export type AuditValues = ValuesOf<typeof AUDIT_COLUMNS, AuditRow>;
