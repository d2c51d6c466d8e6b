import type { AuditLog } from '../domain/audit-log.js';
import type { Db } from '../domain/db.js';
import type { Clock } from '../domain/ports.js';
import type { Run, RunOutcome } from '../domain/run.js';
import type { RunStore } from '../domain/stores.js';

interface RecoveryRooms {
  readonly store: RunStore;
  readonly audit: AuditLog;
  readonly db: Db;
  readonly clock: Clock;
}

const LOST: RunOutcome = { kind: 'lost' };
/** Runs closed at one time: they share the sync that makes it durable. */
const PIECE = 500;

/** Closes the runs that a gateway left open when it died: each gets one terminal state and one audit entry. Says how many. */
export async function closeLostRuns({ store, audit, db, clock }: RecoveryRooms): Promise<number> {
  const orphans = await store.orphans();
  const close = (run: Run) =>
    db.commit([
      { kind: 'run.finish', run: { ...run, status: 'lost', outcome: LOST, finishedAt: clock.now() }, output: [] },
      audit.appended({
        action: 'run.outcome',
        principalId: run.principalId,
        subject: run.id,
        requestId: run.requestId,
        details: { command: run.command, outcome: LOST },
      }),
    ]);
  for (let start = 0; start < orphans.length; start += PIECE) await Promise.all(orphans.slice(start, start + PIECE).map(close));
  return orphans.length;
}
