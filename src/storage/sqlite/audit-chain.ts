import { hash } from 'node:crypto';
import { GENESIS_HASH, auditBodyWith, type AuditAction } from '../../domain/audit.js';
import type { AuditRow } from '../schema.js';
import type { UnchainedAuditRow } from './row-write.js';

/** The newest entry, as far as the next one needs it. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
}

export const EMPTY_CHAIN: ChainHead = { seq: 0, hash: GENESIS_HASH };

/** The row with its number, the hash of the entry before it, and its own. */
export function chained(row: UnchainedAuditRow, head: ChainHead): AuditRow {
  const seq = head.seq + 1;
  const body = auditBodyWith(row.details, {
    seq,
    at: row.at,
    action: row.action as AuditAction,
    principalId: row.principal_id,
    subject: row.subject,
    requestId: row.request_id,
    previousHash: head.hash,
  });
  return { ...row, seq, previous_hash: head.hash, hash: hash('sha256', body) };
}
