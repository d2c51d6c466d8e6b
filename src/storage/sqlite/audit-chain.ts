import { hash } from 'node:crypto';
import { GENESIS_HASH, auditBodyWith, type AuditAction } from '../../domain/audit.js';
import type { AuditValues, UnchainedAuditValues } from './row-columns.js';

/** The newest entry, as far as the next one needs it. */
export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
}

export const EMPTY_CHAIN: ChainHead = { seq: 0, hash: GENESIS_HASH };

/** The entry with its number, the hash of the entry before it, and its own; and with that the new head. */
export function chained(values: UnchainedAuditValues, head: ChainHead): { readonly values: AuditValues; readonly head: ChainHead } {
  const [at, action, principalId, subject, requestId, details] = values;
  const seq = head.seq + 1;
  const body = auditBodyWith(details, { seq, at, action: action as AuditAction, principalId, subject, requestId, previousHash: head.hash });
  const own = hash('sha256', body);
  return { values: [seq, at, action, principalId, subject, requestId, details, head.hash, own], head: { seq, hash: own } };
}
