import { canonicalJson } from '../../domain/audit.js';
import type { AuditCheckpoint } from '../../domain/audit-checkpoint.js';
import type { Write } from '../../domain/db.js';
import type { Run } from '../../domain/run.js';
import {
  idempotencyRow,
  keyRow,
  outputRow,
  runRow,
  secretRow,
  type IdempotencyRow,
  type KeyRow,
  type KeyTokensRow,
  type RunRow,
  type SecretRow,
} from '../schema.js';
import { freezeRow, type FreezeRow } from '../freeze-row.js';
import type { FinishValues, OpenRunValues, OutputValues, RunValues, UnchainedAuditValues } from './row-columns.js';

/**
 * A {@link Write} as flat rows: cheap to hand to another thread, ready to bind. What every run writes travels as bare values in the
 * order of its columns: names would be written, sent and read once more for each row.
 */
export type RowWrite =
  | { readonly kind: 'run.open'; readonly values: OpenRunValues }
  | { readonly kind: 'run.insert'; readonly values: RunValues; readonly output: OutputValues | null }
  | { readonly kind: 'run.finish'; readonly values: FinishValues; readonly output: OutputValues | null }
  | { readonly kind: 'run.approve'; readonly id: string }
  | { readonly kind: 'run.remove'; readonly ids: readonly string[] }
  | { readonly kind: 'output.remove'; readonly ids: readonly string[] }
  | { readonly kind: 'idempotency.insert'; readonly row: FreshIdempotencyRow }
  | { readonly kind: 'idempotency.remove'; readonly rows: readonly OldIdempotencyRow[] }
  | { readonly kind: 'key.insert'; readonly row: KeyRow }
  | { readonly kind: 'key.revoke'; readonly row: KeyMark }
  | { readonly kind: 'audit.append'; readonly values: UnchainedAuditValues }
  | { readonly kind: 'audit.checkpoint'; readonly checkpoint: AuditCheckpoint }
  | { readonly kind: 'secret.put'; readonly row: SecretRow; readonly keyBefore: string | null }
  | { readonly kind: 'secret.remove'; readonly name: string }
  | { readonly kind: 'secret.rewrap'; readonly rows: readonly SecretRow[]; readonly change: SecretsKeyChange }
  | { readonly kind: 'freeze.insert'; readonly row: FreezeRow }
  | { readonly kind: 'freeze.remove'; readonly id: string }
  | { readonly kind: 'key.touch'; readonly row: KeyTouch }
  | { readonly kind: 'key.change'; readonly row: KeyChangeRow }
  | { readonly kind: 'key.rotate'; readonly row: KeyRotation }
  | { readonly kind: 'key.spend'; readonly row: KeySpending }
  | { readonly kind: 'key.tokens'; readonly row: KeyTokensRow };

export interface KeyMark {
  readonly id: string;
  readonly at: string;
}

export interface KeyTouch extends KeyMark {
  readonly generation: number;
}

export type KeyChangeRow = Pick<KeyRow, 'id' | 'name' | 'role' | 'scopes' | 'expires_at' | 'addresses' | 'rate' | 'budget' | 'tokens'>;

export interface KeyRotation extends KeyMark {
  readonly secret_hash: string;
  readonly previous_until: string;
}

export interface KeySpending {
  readonly key_id: string;
  readonly day: string;
  readonly budget: number | null;
  readonly calls: number | null;
}

/** A record, and the instant before which an older one of that key counts no more. */
export interface FreshIdempotencyRow extends IdempotencyRow {
  readonly free_before: string;
}

/** Ids of master keys. */
export interface SecretsKeyChange {
  readonly before: string;
  readonly after: string;
}

export type OldIdempotencyRow = Pick<FreshIdempotencyRow, 'principal_id' | 'key' | 'free_before'>;

/** @param owner identity of the process that answers for runs inserted here */
export function rowWrite(write: Write, owner: string): RowWrite {
  switch (write.kind) {
    case 'run.insert':
      return inserted(write, owner);
    case 'run.finish':
      return { kind: write.kind, values: finishValues(runRow(write.run, owner)), output: outputValues(write) };
    case 'run.approve':
    case 'freeze.remove':
      return write;
    case 'freeze.insert':
      return { kind: write.kind, row: freezeRow(write.freeze) };
    case 'run.remove':
    case 'output.remove':
      return { kind: write.kind, ids: write.ids };
    case 'idempotency.insert':
      return { kind: write.kind, row: { ...idempotencyRow(write.record), free_before: write.freeBefore } };
    case 'idempotency.remove':
      return {
        kind: write.kind,
        rows: write.keys.map(({ principalId, key }) => ({ principal_id: principalId, key, free_before: write.freeBefore })),
      };
    case 'key.insert':
      return { kind: write.kind, row: keyRow(write.key) };
    case 'key.revoke':
      return { kind: write.kind, row: { id: write.id, at: write.at } };
    case 'secret.put':
      return { kind: write.kind, row: secretRow(write.secret), keyBefore: write.keyBefore };
    case 'secret.remove':
      return { kind: write.kind, name: write.name };
    case 'secret.rewrap':
      return { kind: write.kind, rows: write.secrets.map(secretRow), change: { before: write.keyBefore, after: write.keyAfter } };
    case 'key.touch':
      return { kind: write.kind, row: { id: write.id, at: write.at, generation: write.generation } };
    case 'key.change':
      return { kind: write.kind, row: changedKey(write) };
    case 'key.rotate': {
      const { id, at, secretHash, previousUntil } = write;
      return { kind: write.kind, row: { id, at, secret_hash: secretHash, previous_until: previousUntil } };
    }
    case 'key.spend':
      return { kind: write.kind, row: { key_id: write.id, day: write.day, budget: write.budget, calls: write.calls } };
    case 'key.tokens':
      return { kind: write.kind, row: { key_id: write.id, day: write.day, tokens: write.tokens } };
    case 'audit.append':
      return { kind: write.kind, values: unchained(write) };
    case 'audit.checkpoint':
      return write;
  }
}

function changedKey({ id, change }: Extract<Write, { kind: 'key.change' }>): KeyChangeRow {
  const { name, role, scopes, expiresAt, addresses, rate, budget, tokens } = change;
  return {
    id,
    name,
    role,
    scopes: JSON.stringify(scopes),
    expires_at: expiresAt,
    addresses: addresses && JSON.stringify(addresses),
    rate: rate && JSON.stringify(rate),
    budget,
    tokens,
  };
}

/** Most runs are inserted when they are accepted, with nothing to tell yet. */
function inserted(write: Extract<Write, { kind: 'run.insert' }>, owner: string): RowWrite {
  const row = runRow(write.run, owner);
  if (isFresh(write)) return { kind: 'run.open', values: openValues(row) };
  const { command, command_version, principal_id, args, request_id, queued_at } = row;
  return {
    kind: 'run.insert',
    values: [...finishValues(row), command, command_version, principal_id, args, request_id, queued_at, owner],
    output: outputValues(write),
  };
}

function isFresh({ run, output }: { readonly run: Run; readonly output: readonly unknown[] }): boolean {
  const isWaiting = run.status === 'queued' && run.outcome === null && run.startedAt === null && run.finishedAt === null;
  const isUntouched = run.attempts === 0 && run.redactions === 0 && !run.truncated && !run.cached;
  return isWaiting && isUntouched && run.durationMs === null && output.length === 0;
}

function openValues(row: RunRow): OpenRunValues {
  return [row.id, row.command, row.command_version, row.principal_id, row.args, row.request_id, row.queued_at, row.owner];
}

function finishValues(row: RunRow): FinishValues {
  const { status, outcome, truncated, redactions, cached, attempts, started_at, finished_at, duration_ms, id } = row;
  return [status, outcome, truncated, redactions, cached, attempts, started_at, finished_at, duration_ms, id];
}

function outputValues({ run, output }: Extract<Write, { kind: 'run.insert' | 'run.finish' }>): OutputValues | null {
  if (output.length === 0) return null;
  const { run_id, bytes, chunks } = outputRow(run.id, output);
  return [run_id, bytes, chunks];
}

/** Text is made well-formed as the database would, so that the hash covers what is read back. */
function unchained({ record, at }: Extract<Write, { kind: 'audit.append' }>): UnchainedAuditValues {
  return [
    at,
    record.action,
    record.principalId.toWellFormed(),
    record.subject.toWellFormed(),
    record.requestId.toWellFormed(),
    canonicalJson(record.details),
  ];
}
