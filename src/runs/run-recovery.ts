import type { AuditLog } from '../domain/audit-log.js';
import type { Db } from '../domain/db.js';
import type { Clock } from '../domain/ports.js';
import type { RunOutcome } from '../domain/run.js';
import type { RunStore } from '../domain/stores.js';

interface RecoveryRooms {
  readonly store: RunStore;
  readonly audit: AuditLog;
  readonly db: Db;
  readonly clock: Clock;
}

const LOST: RunOutcome = { kind: 'lost' };

/** Closes the runs that a gateway left open when it died: each gets one terminal state and one audit entry. Says how many. */
export async function closeLostRuns({ store, audit, db, clock }: RecoveryRooms): Promise<number> {
  const orphans = await store.orphans();
  for (const run of orphans) {
    await db.commit([
      { kind: 'run.finish', run: { ...run, status: 'lost', outcome: LOST, finishedAt: clock.now() }, output: [] },
      audit.appended({
        action: 'run.outcome',
        principalId: run.principalId,
        subject: run.id,
        requestId: run.requestId,
        details: { command: run.command, outcome: LOST },
      }),
    ]);
  }
  return orphans.length;
}
