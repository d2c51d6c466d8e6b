import type { AuditLog } from '../domain/audit-log.js';
import type { Db } from '../domain/db.js';
import type { Clock } from '../domain/ports.js';
import { type Run, type RunOutcome, statusOf } from '../domain/run.js';
import type { RunStore } from '../domain/stores.js';

interface RecoveryRooms {
  readonly store: RunStore;
  readonly audit: AuditLog;
  readonly db: Db;
  readonly clock: Clock;
}

const LOST: RunOutcome = { kind: 'lost' };
/** Nothing was started for a run that waited for approval, and what was to be approved died with the gateway's memory. */
const NOT_APPROVED: RunOutcome = { kind: 'rejected', reason: 'approval_expired' };
/** Runs closed at one time: they share the sync that makes it durable. */
const PIECE = 500;

/** Closes the runs that a gateway left open when it died: each gets one terminal state and one audit entry. Says how many. */
export async function closeLostRuns({ store, audit, db, clock }: RecoveryRooms): Promise<number> {
  const orphans = await store.orphans();
  const close = (run: Run) => {
    const outcome = run.status === 'awaiting_approval' ? NOT_APPROVED : LOST;
    return db.commit([
      { kind: 'run.finish', run: { ...run, status: statusOf(outcome), outcome, finishedAt: clock.now() }, output: [] },
      audit.appended({
        action: 'run.outcome',
        principalId: run.principalId,
        subject: run.id,
        requestId: run.requestId,
        details: { command: run.command, outcome },
      }),
    ]);
  };
  for (let start = 0; start < orphans.length; start += PIECE) await Promise.all(orphans.slice(start, start + PIECE).map(close));
  return orphans.length;
}
