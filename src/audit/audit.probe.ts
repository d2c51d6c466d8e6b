import { AuditStore } from '../domain/audit.js';
import { WriteHealth } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import { Probe, type ProbeKind } from '../domain/ports.js';
import { auditHash } from './audit-verifier.js';
import type { Checkpointer } from './checkpointer.js';

/** Whether entries can be appended, to a log whose newest entry is sound and that no checkpoint contradicts. The whole chain is for `GET /audit/verify`. */
export class AuditProbe extends Probe {
  readonly name = 'audit';
  override readonly kind: ProbeKind = 'datastore';

  constructor(
    private readonly writes: WriteHealth,
    private readonly store: AuditStore,
    private readonly checkpointer: Pick<Checkpointer, 'trouble'>,
  ) {
    super();
  }

  async check(): Promise<void> {
    await this.writes.checkWritable();
    const { trouble } = this.checkpointer;
    if (trouble !== undefined) throw new GatewayError('storage_unavailable', trouble);
    const [newest] = (await this.store.page({ limit: 1 })).items;
    if (newest && auditHash(newest) !== newest.hash) {
      throw new GatewayError('storage_unavailable', 'The newest entry of the audit log was changed after it was written.');
    }
  }
}
