import { canonicalJson } from '../../domain/audit.js';
import type { Write } from '../../domain/db.js';
import {
  idempotencyRow,
  keyRow,
  outputRow,
  runRow,
  type AuditRow,
  type IdempotencyRow,
  type KeyRow,
  type OutputRow,
  type RunRow,
} from '../schema.js';

/** A {@link Write} as flat rows: cheap to hand to another thread, ready to bind. */
export type RowWrite =
  | { readonly kind: 'run.insert'; readonly row: RunRow; readonly output: OutputRow | null }
  | { readonly kind: 'run.finish'; readonly row: RunRow; readonly output: OutputRow | null }
  | { readonly kind: 'run.remove'; readonly ids: readonly string[] }
  | { readonly kind: 'output.remove'; readonly ids: readonly string[] }
  | { readonly kind: 'idempotency.insert'; readonly row: FreshIdempotencyRow }
  | { readonly kind: 'idempotency.remove'; readonly rows: readonly OldIdempotencyRow[] }
  | { readonly kind: 'key.insert'; readonly row: KeyRow }
  | { readonly kind: 'key.revoke'; readonly row: KeyMark }
  | { readonly kind: 'key.touch'; readonly row: KeyMark }
  | { readonly kind: 'audit.append'; readonly row: UnchainedAuditRow };

export interface KeyMark {
  readonly id: string;
  readonly at: string;
}

/** A record, and the instant before which an older one of that key counts no more. */
export interface FreshIdempotencyRow extends IdempotencyRow {
  readonly free_before: string;
}

export type OldIdempotencyRow = Pick<FreshIdempotencyRow, 'principal_id' | 'key' | 'free_before'>;

/** An entry before it has its place in the chain. */
export type UnchainedAuditRow = Omit<AuditRow, 'seq' | 'previous_hash' | 'hash'>;

/** @param owner identity of the process that answers for runs inserted here */
export function rowWrite(write: Write, owner: string): RowWrite {
  switch (write.kind) {
    case 'run.insert':
    case 'run.finish':
      return {
        kind: write.kind,
        row: runRow(write.run, owner),
        output: write.output.length > 0 ? outputRow(write.run.id, write.output) : null,
      };
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
    case 'key.touch':
      return { kind: write.kind, row: { id: write.id, at: write.at } };
    case 'audit.append':
      return { kind: write.kind, row: unchained(write) };
  }
}

/** Text is made well-formed as the database would, so that the hash covers what is read back. */
function unchained({ record, at }: Extract<Write, { kind: 'audit.append' }>): UnchainedAuditRow {
  return {
    at,
    action: record.action,
    principal_id: record.principalId.toWellFormed(),
    subject: record.subject.toWellFormed(),
    request_id: record.requestId.toWellFormed(),
    details: canonicalJson(record.details),
  };
}
