import type { AuditRecord } from './audit.js';
import type { Write } from './db.js';

/** The tamper-evident log. Fails closed: what cannot be recorded must not happen. */
export abstract class AuditLog {
  /** The write that appends this record; it takes its number and its place in the chain when it is committed. */
  abstract appended(record: AuditRecord): Write;
}
