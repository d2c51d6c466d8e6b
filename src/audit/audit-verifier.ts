import { createHash } from 'node:crypto';
import { GENESIS_HASH, auditBody, type AuditEntry, type AuditVerdict } from '../domain/audit.js';

/** The hash an entry must carry: SHA-256 (hex) over its canonical text. */
export function auditHash(entry: Omit<AuditEntry, 'hash'>): string {
  return createHash('sha256').update(auditBody(entry)).digest('hex');
}

/**
 * Walks the log from its first entry and stops at the first one that is not what was written. A bad entry is named by the
 * number it should have; `entries` counts the good ones before it. Entries missing at the very end leave no trace inside the log.
 */
export async function verifyChain(entries: AsyncIterable<AuditEntry>): Promise<AuditVerdict> {
  let count = 0;
  let head = GENESIS_HASH;
  for await (const entry of entries) {
    const reason = fault(entry, count + 1, head);
    if (reason !== undefined) return { ok: false, entries: count, firstBad: count + 1, reason };
    count += 1;
    head = entry.hash;
  }
  return { ok: true, entries: count, head };
}

/** The number first: it tells a missing entry from a changed one. Own hash next: only a sound entry can accuse the one before. */
function fault(entry: AuditEntry, seq: number, previousHash: string): string | undefined {
  if (entry.seq > seq) return `The entry is missing; entry ${entry.seq} comes in its place.`;
  if (entry.seq < seq) return `Entry ${entry.seq} stands in its place.`;
  if (auditHash(entry) !== entry.hash) return 'Its content does not match its hash.';
  if (entry.previousHash !== previousHash) return 'It does not follow the entry before it.';
  return undefined;
}
