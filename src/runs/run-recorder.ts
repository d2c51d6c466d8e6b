import type { AuditRecord } from '../domain/audit.js';
import type { AuditLog } from '../domain/audit-log.js';
import type { Db, Write } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import type { Clock } from '../domain/ports.js';
import { type Run, type RunId, type RunOutcome, statusOf } from '../domain/run.js';
import type { Metrics } from '../metrics/metrics.js';
import type { OutcomeBacklog } from './outcome-backlog.js';
import { needsApproval, type RunWalk } from './run-walk.js';

interface RecorderRooms {
  readonly audit: AuditLog;
  readonly db: Db;
  readonly backlog: OutcomeBacklog;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** Writes down what becomes of runs. A run that has ended stays so, also when the store does not take that at once. */
export class RunRecorder {
  constructor(private readonly rooms: RecorderRooms) {}

  /** Commits and counts. @throws GatewayError `storage_unavailable`, `conflict` */
  async commit(writes: readonly Write[]): Promise<void> {
    const before = this.rooms.clock.monotonic();
    await this.rooms.db.commit(writes);
    this.rooms.metrics.auditAppend.observe((this.rooms.clock.monotonic() - before) / 1000);
    this.count(writes);
  }

  /** The entry that says what is about to be done, for whom. */
  intentOf(walk: RunWalk): Write {
    const { command, preparation, live, origin, plan, seal } = walk;
    const { invocation } = preparation;
    const approval = needsApproval(walk) ? { approval: 'required', fingerprint: seal?.fingerprint } : {};
    return this.rooms.audit.appended({
      action: 'run.intent',
      principalId: origin.principal.id,
      subject: live.run.id,
      requestId: origin.requestId,
      details: {
        command: command.name,
        version: command.version,
        effect: command.effect,
        argsDigest: preparation.argsDigest,
        argvDigest: preparation.argvDigest,
        ...(plan ? { planId: plan.id } : {}),
        ...(invocation.kind === 'llm' && invocation.isAudited ? { prompt: invocation.chat.messages } : {}),
        ...approval,
        address: origin.principal.address,
      },
    });
  }

  /**
   * Records that policy turned the walk away before there was a run.
   * @throws GatewayError the refusal, always; `storage_unavailable` when it cannot be recorded
   */
  async refuse({ command, preparation, origin }: RunWalk, refusal: GatewayError, details: AuditRecord['details'] = {}): Promise<never> {
    const { principal, requestId } = origin;
    const entry = this.rooms.audit.appended({
      action: 'run.refused',
      principalId: principal.id,
      subject: command.name,
      requestId,
      details: { code: refusal.code, ...details, argsDigest: preparation.argsDigest, address: principal.address },
    });
    await this.commit([entry]);
    throw refusal;
  }

  /**
   * Records the outcome of the walk; resolves to the ended run when it is durable. When the store does not take it, whoever waits for
   * the run is told where to look for it, and the end is kept until the store does.
   * @throws GatewayError for a run whose intent was to be recorded along with it: nothing was started for it
   */
  async recordEnd(walk: RunWalk): Promise<Run> {
    const { live, refusal } = walk;
    const { run, writes } = this.endOf(walk, walk.outcome);
    try {
      await this.commit(writes);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      const untold = outcomeUnrecorded(run.id, error);
      if (walk.unrecordedIntent) throw error.extra.inDoubt ? untold : error;
      live.fail(refusal ?? untold);
      await this.rooms.backlog.record(writes);
      this.count(writes);
    }
    return run;
  }

  /** Ends a run whose caller was refused because its intent could not be recorded, where it may be in the store all the same. */
  withdraw(walk: RunWalk, error: unknown): void {
    if (!isUnavailable(error) || !error.extra.inDoubt || walk.unrecordedIntent) return;
    void this.rooms.backlog.record(this.endOf(walk, { kind: 'rejected', reason: error.code }).writes);
  }

  private endOf(walk: RunWalk, outcome: RunOutcome): { readonly run: Run; readonly writes: readonly Write[] } {
    const { live, origin, unrecordedIntent } = walk;
    const run: Run = {
      ...live.run,
      status: statusOf(outcome),
      outcome,
      truncated: walk.truncated,
      redactions: walk.redactions,
      cached: walk.cached !== undefined,
      attempts: walk.attempts,
      finishedAt: this.rooms.clock.now(),
      durationMs: live.run.startedAt === null ? null : Math.round((this.rooms.clock.monotonic() - walk.startedAt) * 1000) / 1000,
    };
    const { command, cached, attempts, truncated, redactions } = run;
    const entry = this.rooms.audit.appended({
      action: 'run.outcome',
      principalId: origin.principal.id,
      subject: run.id,
      requestId: origin.requestId,
      details: { command, outcome, cached, attempts, truncated, redactions, ...(walk.usage ? { llm: walk.usage } : {}) },
    });
    const row: Write = { kind: unrecordedIntent ? 'run.insert' : 'run.finish', run, output: live.output };
    const taken = walk.usage && walk.tokenClaim ? walk.tokenClaim.writes(walk.usage.counted) : [];
    return { run, writes: [...(unrecordedIntent ?? []), row, entry, ...taken] };
  }

  private count(writes: readonly Write[]): void {
    this.rooms.metrics.auditEntries.inc(writes.filter(({ kind }) => kind === 'audit.append').length);
  }
}

function isUnavailable(error: unknown): error is GatewayError {
  return error instanceof GatewayError && error.code === 'storage_unavailable';
}

function outcomeUnrecorded(runId: RunId, cause: GatewayError): GatewayError {
  return new GatewayError('outcome_unrecorded', `The run ${runId} has ended, but that cannot be recorded at the moment.`, { runId, cause });
}
