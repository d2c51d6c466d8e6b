import { hash } from 'node:crypto';
import { GENESIS_HASH, auditBody, type AuditEntry, type AuditVerdict } from '../domain/audit.js';
import type { Checkpoint } from './checkpoint-text.js';

/** A line of an export, or a row, that is no entry at all. */
export interface Unreadable {
  readonly unreadable: string;
}

/** What vouches for the log, by rising size. */
export interface Evidence {
  /** Kept with the log: finds what was changed by somebody who cannot sign. `undefined` for one that nobody trusted has signed. */
  readonly stored?: AsyncIterable<{ readonly size: number; readonly checkpoint: Checkpoint | undefined }>;
  /** From elsewhere: finds, besides, that the log was put back to what it was, or cut. */
  readonly external?: readonly Checkpoint[];
}

/** The hash an entry must carry: SHA-256 (hex) over its canonical text. */
export function auditHash(entry: Omit<AuditEntry, 'hash'>): string {
  return hash('sha256', auditBody(entry));
}

/**
 * Walks the log from its first entry and stops at the first one that is not what was written. A checkpoint that does not hold names
 * the first entry after the last one that did: one of those between was rewritten. Without a checkpoint from outside, entries missing
 * at the very end leave no trace: the verdict says so.
 */
export async function verifyLog(entries: AsyncIterable<AuditEntry | Unreadable>, evidence: Evidence = {}): Promise<AuditVerdict> {
  const witnesses = new Witnesses(evidence);
  let count = 0;
  let head = GENESIS_HASH;
  try {
    await witnesses.begin();
    for await (const entry of entries) {
      const reason = fault(entry, count + 1, head);
      if (reason !== undefined) return { ok: false, entries: count, firstBad: count + 1, reason };
      count += 1;
      head = (entry as AuditEntry).hash;
      if (witnesses.nextSize > count) continue;
      const rewritten = await witnesses.contradiction(count, head);
      if (rewritten) return { ok: false, entries: rewritten.firstBad - 1, ...rewritten };
    }
    const missing = witnesses.missing(count);
    if (missing !== undefined) return { ok: false, entries: count, firstBad: count + 1, reason: missing };
    const { checkpoints, proven } = witnesses;
    return { ok: true, entries: count, head, checkpoints, proven, tail: proven === count && proven > 0 ? 'proven' : 'not provable' };
  } finally {
    await witnesses.end();
  }
}

/** The number first: it tells a missing entry from a changed one. Own hash next: only a sound entry can accuse the one before. */
function fault(entry: AuditEntry | Unreadable, seq: number, previousHash: string): string | undefined {
  if ('unreadable' in entry) return entry.unreadable;
  if (entry.seq > seq) return `The entry is missing; entry ${entry.seq} comes in its place.`;
  if (entry.seq < seq) return `Entry ${entry.seq} stands in its place.`;
  if (auditHash(entry) !== entry.hash) return 'Its content does not match its hash.';
  if (entry.previousHash !== previousHash) return 'It does not follow the entry before it.';
  return undefined;
}

/** The checkpoints, each asked when the walk has come to its size. */
class Witnesses {
  /** That held. */
  checkpoints = 0;
  /** The largest size of one from outside that held. */
  proven = 0;
  nextSize = Infinity;
  private readonly stored: AsyncIterator<{ readonly size: number; readonly checkpoint: Checkpoint | undefined }> | undefined;
  private readonly external: Checkpoint[];
  private nextStored: { readonly size: number; readonly checkpoint: Checkpoint | undefined } | undefined;
  private lastHeld = 0;

  constructor({ stored, external = [] }: Evidence) {
    this.stored = stored?.[Symbol.asyncIterator]();
    this.external = external.filter(({ size }) => size > 0).sort((one, other) => one.size - other.size);
  }

  async begin(): Promise<void> {
    const next = await this.stored?.next();
    this.nextStored = next?.done === false ? next.value : undefined;
    this.nextSize = Math.min(this.nextStored?.size ?? Infinity, this.external[0]?.size ?? Infinity);
  }

  /** What those of this size, and of smaller ones that nobody asked, say against the log. */
  async contradiction(size: number, head: string): Promise<{ readonly firstBad: number; readonly reason: string } | undefined> {
    while (this.nextSize <= size) {
      const isExternal = this.external[0]?.size === this.nextSize;
      const checkpoint = isExternal ? this.external.shift() : this.nextStored?.checkpoint;
      if (!checkpoint)
        return { firstBad: size, reason: `The checkpoint of ${size} entries in the store is not signed by the key of this log.` };
      const firstBad = this.lastHeld + 1;
      if (checkpoint.size !== size || checkpoint.head !== head) {
        return { firstBad, reason: `Entries ${firstBad} to ${size} are not those that the checkpoint of ${size} entries vouches for.` };
      }
      this.checkpoints += 1;
      if (isExternal) this.proven = size;
      await this.advance(isExternal);
    }
    this.lastHeld = size;
    return undefined;
  }

  /** Of which size there should be entries, when the walk has ended before it. */
  missing(count: number): string | undefined {
    if (this.nextSize === Infinity) return undefined;
    const size = Math.max(this.external.at(-1)?.size ?? 0, this.nextStored?.size ?? 0);
    return `The entry is missing: a checkpoint vouches for ${size} entries, and the log ends after ${count}.`;
  }

  async end(): Promise<void> {
    await this.stored?.return?.();
  }

  private async advance(isExternal: boolean): Promise<void> {
    if (!isExternal) await this.begin();
    else this.nextSize = Math.min(this.nextStored?.size ?? Infinity, this.external[0]?.size ?? Infinity);
  }
}
