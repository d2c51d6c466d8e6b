import { type AuditRecord } from '../domain/audit.js';
import { AuditLog } from '../domain/audit-log.js';
import type { Write } from '../domain/db.js';
import type { Clock } from '../domain/ports.js';

/** Takes secrets and personal data out of an entry's details. */
export type Sanitise = (details: AuditRecord['details']) => AuditRecord['details'];

/** The log as rooms write to it. Number and chain are added where the transaction is: only there the entry before is known. */
export class ChainedAuditLog extends AuditLog {
  constructor(
    private readonly clock: Clock,
    private readonly sanitise: Sanitise,
  ) {
    super();
  }

  appended(record: AuditRecord): Write {
    return { kind: 'audit.append', record: { ...record, details: this.sanitise(record.details) }, at: this.clock.now() };
  }
}
