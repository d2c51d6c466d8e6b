import { canonicalJson, type AuditAction, type AuditEntry } from '../domain/audit.js';
import type { AuditCheckpoint } from '../domain/audit-checkpoint.js';
import type { IdempotencyRecord } from '../domain/idempotency.js';
import type { FreezeRow } from './freeze-row.js';
import type { ApiKey, KeyUsage, Role } from '../domain/principal.js';
import type { OutputChunk, OutputStream, Run, RunOutcome, RunStatus } from '../domain/run.js';
import type { StoredSecret } from '../domain/secret.js';

/** Tables as the queries see them: snake_case, JSON as text, truth as 0 and 1. */
export interface Schema {
  api_keys: KeyRow;
  key_usage: KeyUsageRow;
  key_tokens: KeyTokensRow;
  runs: RunRow;
  run_outputs: OutputRow;
  audit_entries: AuditRow;
  audit_checkpoints: AuditCheckpoint;
  idempotency_keys: IdempotencyRow;
  secrets: SecretRow;
  secrets_key: SecretsKeyRow;
  freezes: FreezeRow;
}

export interface KeyRow {
  id: string;
  secret_hash: string;
  name: string;
  role: string;
  scopes: string;
  created_at: string;
  created_by: string;
  expires_at: string | null;
  revoked_at: string | null;
  last_used_at: string | null;
  /** JSON. */
  addresses: string | null;
  /** JSON. */
  rate: string | null;
  budget: number | null;
  tokens: number | null;
  calls: number | null;
  /** JSON. */
  pins: string;
  parent_id: string | null;
  generation: number;
  rotated_at: string | null;
  previous_hash: string | null;
  previous_until: string | null;
  previous_used_at: string | null;
}

export interface KeyUsageRow {
  key_id: string;
  day: string;
  day_runs: number;
  runs: number;
}

export interface KeyTokensRow {
  key_id: string;
  day: string;
  tokens: number;
}

export interface RunRow {
  id: string;
  command: string;
  command_version: string;
  principal_id: string;
  args: string;
  request_id: string;
  status: string;
  outcome: string | null;
  truncated: number;
  redactions: number;
  cached: number;
  attempts: number;
  queued_at: string;
  started_at: string | null;
  finished_at: string | null;
  duration_ms: number | null;
  /** Identity of the process that accepted the run, see `process-identity.ts`. */
  owner: string;
}

export interface OutputRow {
  run_id: string;
  /** UTF-8 length of the output itself. Stands before `chunks`, so that adding it up reads no output. */
  bytes: number;
  /** JSON: `[stream, seq, data]` for each chunk. */
  chunks: string;
}

export interface AuditRow {
  seq: number;
  at: string;
  action: string;
  principal_id: string;
  subject: string;
  request_id: string;
  /** Canonical JSON. */
  details: string;
  previous_hash: string;
  hash: string;
}

export interface IdempotencyRow {
  principal_id: string;
  key: string;
  fingerprint: string;
  run_id: string;
  created_at: string;
}

export interface SecretRow {
  name: string;
  version: number;
  key_id: string;
  wrapped_key: string;
  sealed: string;
  created_at: string;
  updated_at: string;
}

/** The one row that says under which master key the secrets are. */
export interface SecretsKeyRow {
  slot: number;
  key_id: string;
}

export function keyRow(key: ApiKey): KeyRow {
  return {
    id: key.id,
    secret_hash: key.secretHash,
    name: key.name,
    role: key.role,
    scopes: JSON.stringify(key.scopes),
    created_at: key.createdAt,
    created_by: key.createdBy,
    expires_at: key.expiresAt,
    revoked_at: key.revokedAt,
    last_used_at: key.lastUsedAt,
    addresses: key.addresses && JSON.stringify(key.addresses),
    rate: key.rate && JSON.stringify(key.rate),
    budget: key.budget,
    tokens: key.tokens,
    calls: key.calls,
    pins: JSON.stringify(key.pins),
    parent_id: key.parentId,
    generation: key.generation,
    rotated_at: key.rotatedAt,
    previous_hash: key.previous?.secretHash ?? null,
    previous_until: key.previous?.validUntil ?? null,
    previous_used_at: key.previous?.lastUsedAt ?? null,
  };
}

export function keyOf(row: KeyRow): ApiKey {
  return {
    id: row.id,
    secretHash: row.secret_hash,
    name: row.name,
    role: row.role as Role,
    scopes: JSON.parse(row.scopes) as string[],
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
    addresses: row.addresses === null ? null : (JSON.parse(row.addresses) as string[]),
    rate: row.rate === null ? null : (JSON.parse(row.rate) as ApiKey['rate']),
    budget: row.budget,
    tokens: row.tokens,
    calls: row.calls,
    pins: row.pins === '{}' ? NO_PINS : (JSON.parse(row.pins) as ApiKey['pins']),
    parentId: row.parent_id,
    generation: row.generation,
    rotatedAt: row.rotated_at,
    previous: previousOf(row),
  };
}

const NO_PINS: ApiKey['pins'] = {};

function previousOf({ previous_hash, previous_until, previous_used_at }: KeyRow): ApiKey['previous'] {
  if (previous_hash === null || previous_until === null) return null;
  return { secretHash: previous_hash, validUntil: previous_until, lastUsedAt: previous_used_at };
}

export function keyUsageOf({ day, day_runs, runs }: KeyUsageRow): KeyUsage {
  return { day, dayRuns: day_runs, runs };
}

export function runRow(run: Run, owner: string): RunRow {
  return {
    id: run.id,
    command: run.command,
    command_version: run.commandVersion,
    principal_id: run.principalId,
    args: JSON.stringify(run.args),
    request_id: run.requestId,
    status: run.status,
    outcome: run.outcome && JSON.stringify(run.outcome),
    truncated: Number(run.truncated),
    redactions: run.redactions,
    cached: Number(run.cached),
    attempts: run.attempts,
    queued_at: run.queuedAt,
    started_at: run.startedAt,
    finished_at: run.finishedAt,
    duration_ms: run.durationMs,
    owner,
  };
}

export function runOf(row: RunRow): Run {
  return {
    id: row.id,
    command: row.command,
    commandVersion: row.command_version,
    principalId: row.principal_id,
    args: JSON.parse(row.args) as Run['args'],
    requestId: row.request_id,
    status: row.status as RunStatus,
    outcome: row.outcome === null ? null : (JSON.parse(row.outcome) as RunOutcome),
    truncated: row.truncated !== 0,
    redactions: row.redactions,
    cached: row.cached !== 0,
    attempts: row.attempts,
    queuedAt: row.queued_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    durationMs: row.duration_ms,
  };
}

export function outputRow(runId: string, output: readonly OutputChunk[]): OutputRow {
  return {
    run_id: runId,
    bytes: output.reduce((sum, { data }) => sum + Buffer.byteLength(data), 0),
    chunks: JSON.stringify(output.map(({ stream, seq, data }) => [stream, seq, data])),
  };
}

export function outputOf(row: Pick<OutputRow, 'chunks'>): OutputChunk[] {
  const chunks = JSON.parse(row.chunks) as [OutputStream, number, string][];
  return chunks.map(([stream, seq, data]) => ({ stream, seq, data }));
}

export function idempotencyRow(record: IdempotencyRecord): IdempotencyRow {
  const { principalId, key, fingerprint, runId, createdAt } = record;
  return { principal_id: principalId, key, fingerprint, run_id: runId, created_at: createdAt };
}

export function idempotencyOf(row: IdempotencyRow): IdempotencyRecord {
  return { principalId: row.principal_id, key: row.key, fingerprint: row.fingerprint, runId: row.run_id, createdAt: row.created_at };
}

export function secretRow(secret: StoredSecret): SecretRow {
  const { name, version, keyId, wrappedKey, sealed, createdAt, updatedAt } = secret;
  return { name, version, key_id: keyId, wrapped_key: wrappedKey, sealed, created_at: createdAt, updated_at: updatedAt };
}

export function secretOf(row: SecretRow): StoredSecret {
  const { name, version, key_id, wrapped_key, sealed, created_at, updated_at } = row;
  return { name, version, keyId: key_id, wrappedKey: wrapped_key, sealed, createdAt: created_at, updatedAt: updated_at };
}

export function auditEntryOf(row: AuditRow): AuditEntry {
  return {
    seq: row.seq,
    at: row.at,
    action: row.action as AuditAction,
    principalId: row.principal_id,
    subject: row.subject,
    requestId: row.request_id,
    details: detailsOf(row.details),
    previousHash: row.previous_hash,
    hash: row.hash,
  };
}

/** The hash covers the data, not its spelling: text that we would not have written so is shown as what it is, which breaks the hash. */
function detailsOf(text: string): AuditEntry['details'] {
  try {
    const details = JSON.parse(text) as AuditEntry['details'];
    if (canonicalJson(details) === text) return details;
  } catch {
    // Not JSON any more: somebody changed it.
  }
  return { unreadable: text };
}
