import type { AuditLog } from '../domain/audit-log.js';
import type { Db } from '../domain/db.js';
import type { ErrorTracker } from '../domain/error-tracker.js';
import { GatewayError } from '../domain/errors.js';
import { PassingMap } from '../domain/passing-map.js';
import type { Freeze } from '../domain/policy.js';
import type { Clock, EventBus, RateCounter } from '../domain/ports.js';
import { lineOf, type PrincipalId } from '../domain/principal.js';
import type { RunId } from '../domain/run.js';
import type { Tracer } from '../domain/tracing.js';
import type { Metrics } from '../metrics/metrics.js';
import type { KeyBudgets } from '../auth/key-budgets.js';
import type { TokenBudgets } from '../auth/token-budgets.js';
import { reportRefusal } from '../error-tracking/report-refusal.js';
import type { Catalogue } from '../commands/catalogue.js';
import type { Admission } from './admission.js';
import type { ApprovalDesk } from './approval-desk.js';
import { authorise } from './authorise.js';
import { claimBounds } from './claim-bounds.js';
import { type FreezeBook, isAffected } from './freeze-book.js';
import type { IdempotencyLedger } from './idempotency-ledger.js';
import { LiveRun } from './live-run.js';
import type { OutcomeBacklog } from './outcome-backlog.js';
import type { PlanBook } from './plan-book.js';
import type { Proposer } from './proposer.js';
import { adopt, type ResultSharing } from './result-sharing.js';
import type { RunExecution } from './run-execution.js';
import { RunPolicy } from './run-policy.js';
import type { RunRequest } from './run-request.js';
import { RunRecorder } from './run-recorder.js';
import { endWalk, followStep } from './run-spans.js';
import { factsOf, isSettled, needsApproval, newRun, type RunOrigin, RunWalk } from './run-walk.js';
import type { Sealer } from './seal.js';
import { claimLate, claimSlot } from './slot-claim.js';

/** The path, in order. Up to `recordIntent` a refusal is thrown to the caller; from there on the run exists and has an outcome. */
export const STEPS = [
  'resolve',
  'authorise',
  'recogniseRepeat',
  'checkArguments',
  'applyPolicy',
  'admit',
  'recordIntent',
  'awaitApproval',
  'execute',
  'recordOutcome',
  'announce',
] as const;

type StepName = (typeof STEPS)[number];
type Step = (walk: RunWalk) => void | Promise<void>;

const ACCEPTING = STEPS.slice(0, STEPS.indexOf('awaitApproval'));
const COMPLETING = STEPS.slice(STEPS.indexOf('awaitApproval'));

/** What the path needs from the other rooms. */
export interface RunRooms {
  readonly catalogue: Catalogue;
  readonly idempotency: IdempotencyLedger;
  readonly rates: RateCounter;
  readonly budgets: KeyBudgets;
  readonly tokens: TokenBudgets;
  readonly admission: Admission;
  readonly sharing: ResultSharing;
  readonly freezes: FreezeBook;
  readonly plans: PlanBook;
  readonly proposer: Proposer;
  readonly sealer: Sealer;
  readonly approvals: ApprovalDesk;
  readonly execution: RunExecution;
  readonly backlog: OutcomeBacklog;
  readonly audit: AuditLog;
  readonly db: Db;
  readonly events: EventBus;
  readonly errors: ErrorTracker;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  readonly clock: Clock;
}

/** Walks every run along {@link STEPS}, whichever door it came through. */
export class RunService {
  private readonly steps: Readonly<Record<StepName, Step>> = {
    resolve: (walk) => this.resolve(walk),
    authorise,
    recogniseRepeat: (walk) => this.rooms.idempotency.recognise(walk),
    checkArguments: (walk) => this.checkArguments(walk),
    applyPolicy: (walk) => this.policy.apply(walk),
    admit: (walk) => this.admit(walk),
    recordIntent: (walk) => this.recordIntent(walk),
    awaitApproval: (walk) => (needsApproval(walk) ? this.awaitApproval(walk) : undefined),
    execute: (walk) => this.execute(walk),
    recordOutcome: (walk) => this.recordOutcome(walk),
    announce: ({ live }) => this.rooms.events.publish('run.finished', { run: live.run }),
  };
  private readonly underWay = new PassingMap<RunId, LiveRun>();
  private readonly recorder: RunRecorder;
  private readonly policy: RunPolicy;
  private readonly drainListeners: (() => void)[] = [];
  private accepting = true;

  constructor(private readonly rooms: RunRooms) {
    this.recorder = new RunRecorder(rooms);
    this.policy = new RunPolicy(rooms, this.recorder);
  }

  /**
   * Takes a run in. When it resolves, the run is durably recorded and on its way, or it is that of an earlier request with the
   * same idempotency key, which has ended.
   * @throws GatewayError the refusal, by whichever step; nothing was started
   */
  start(request: RunRequest, origin: RunOrigin): Promise<LiveRun> {
    const walk = new RunWalk(request, origin);
    const { tracer } = this.rooms;
    walk.span = tracer.current.child('run');
    return walk.span.isRecording ? tracer.within(walk.span, () => this.accept(walk)) : this.accept(walk);
  }

  private async accept(walk: RunWalk): Promise<LiveRun> {
    try {
      for (const step of ACCEPTING) {
        const pending = followStep(this.rooms.tracer, walk, step, this.steps[step]);
        if (pending) await pending;
        if (walk.replay) {
          endWalk(walk);
          return walk.replay;
        }
      }
      const completion = this.complete(walk);
      // What is not recorded yet must not be acknowledged.
      if (walk.unrecordedIntent) {
        await completion;
        await walk.live.finished;
      }
      return walk.live;
    } catch (error) {
      this.turnAway(walk, error);
      return this.rooms.idempotency.recallWinner(walk, error);
    }
  }

  /** A run that is under way in this process. */
  find(id: RunId): LiveRun | undefined {
    return this.underWay.get(id);
  }

  all(): readonly LiveRun[] {
    return [...this.underWay.values()];
  }

  /** `listener` hears that no more runs are taken, before those under way are waited for: what would go on for ever is to be ended. */
  onDrain(listener: () => void): void {
    this.drainListeners.push(listener);
  }

  /** Ends what a freeze does not let run on; says how many runs that were. */
  enforce(freeze: Freeze, by: PrincipalId): number {
    if (freeze.mode === 'drain') return 0;
    const stopped = this.all().filter(
      ({ run, line, isEnded, cause }) => !isEnded && !cause && isAffected(freeze, { line, command: run.command }),
    );
    for (const live of stopped) live.abort({ kind: 'cancelled', by });
    return stopped.length;
  }

  /** Takes no more runs; waits up to `timeoutMs` for those under way, then ends them, and resolves when all are recorded. */
  async drain(timeoutMs: number): Promise<void> {
    this.accepting = false;
    for (const listener of this.drainListeners) listener();
    for (const { live } of this.rooms.approvals.parked) live.abort({ kind: 'cancelled', by: 'shutdown' });
    const deadline = setTimeout(() => {
      for (const live of this.underWay.values()) live.abort({ kind: 'cancelled', by: 'shutdown' });
    }, timeoutMs);
    await Promise.allSettled(this.all().map(({ finished }) => finished));
    clearTimeout(deadline);
    await this.rooms.backlog.close();
  }

  /** `walk` is as far as it has come. */
  private turnAway(walk: RunWalk, error: unknown): void {
    const { live }: Partial<RunWalk> = walk;
    live?.fail(error);
    endWalk(walk, error);
    this.leave(walk);
    if (live) this.recorder.withdraw(walk, error);
  }

  private leave(walk: Partial<RunWalk>): void {
    endWalk(walk);
    walk.ticket?.release();
    walk.runClaim?.release();
    walk.tokenClaim?.release();
    walk.flight?.land('cancelled');
    if (walk.live) this.underWay.delete(walk.live.run.id);
    this.rooms.idempotency.release(walk);
  }

  private async complete(walk: RunWalk): Promise<void> {
    try {
      for (const step of COMPLETING) {
        const pending = followStep(this.rooms.tracer, walk, step, this.steps[step]);
        if (pending) await pending;
      }
    } catch (error) {
      // Perhaps nobody waits for it, and nobody else would hear of it.
      reportRefusal(this.rooms.errors, error, { request: factsOf(walk.origin, walk.command.name), runId: walk.live.run.id });
      walk.live.fail(error);
      endWalk(walk, error);
    } finally {
      this.leave(walk);
    }
  }

  private resolve(walk: RunWalk): void | Promise<never> {
    this.assertAccepting();
    return this.rooms.proposer.resolve(walk, this.rooms.plans);
  }

  private async checkArguments(walk: RunWalk): Promise<void> {
    const { command, origin, plan } = walk;
    walk.preparation = await command.prepare(walk.args);
    if (!plan && !needsApproval(walk)) return;
    walk.seal = await this.rooms.sealer.seal(origin.principal.id, command, walk.preparation);
    if (plan && plan.fingerprint !== walk.seal.fingerprint)
      throw new GatewayError('plan_void', 'What would run now is not what was planned. Make another plan.');
  }

  private admit(walk: RunWalk): void | Promise<void> {
    const claiming = claimBounds(walk, this.rooms);
    return claiming ? claiming.then(() => this.enter(walk)) : this.enter(walk);
  }

  private enter(walk: RunWalk): void {
    const { command, origin } = walk;
    // Once more: a drain or a freeze may have begun meanwhile, and these look at those alone that are under way by then.
    this.assertAccepting();
    this.rooms.freezes.assertNotFrozen(origin.principal, command);
    if (this.rooms.backlog.full)
      throw new GatewayError('storage_unavailable', 'Too many ends of runs wait to be recorded.', { retryAfterSeconds: 1 });
    if (walk.plan) this.rooms.plans.use(walk.plan);
    walk.live = new LiveRun(newRun(walk, this.rooms.clock.now()), false, lineOf(origin.principal));
    this.underWay.set(walk.live.run.id, walk.live);
    if (command.cacheMs !== null) {
      this.rooms.sharing.look(walk, !this.rooms.execution.isInstant(command));
      if (walk.cached || walk.joined) return;
    }
    if (!needsApproval(walk)) claimSlot(walk, this.rooms.admission);
  }

  private assertAccepting(): void {
    if (this.accepting) return;
    throw new GatewayError('draining', 'The gateway is shutting down and takes no more runs.', { retryAfterSeconds: 5 });
  }

  /** Durable before anything starts. Where nothing is started (a cached result, an instant executor) it goes with the outcome. */
  private recordIntent(walk: RunWalk): void | Promise<void> {
    const { command, live, cached } = walk;
    const writes = [...this.rooms.idempotency.writes(walk), ...(walk.runClaim?.writes ?? []), this.recorder.intentOf(walk)];
    if (cached || (this.rooms.execution.isInstant(command) && !needsApproval(walk))) walk.unrecordedIntent = writes;
    else return this.recorder.commit([{ kind: 'run.insert', run: live.run, output: [] }, ...writes]).then(() => walk.runClaim?.spend());
  }

  /** Sets the outcome of a run that nobody let start; else claims its slot only now. */
  private async awaitApproval(walk: RunWalk): Promise<void> {
    const { live } = walk;
    const decision = await this.rooms.approvals.wait(walk);
    if (live.cause) walk.outcome = live.cause;
    else if (decision.kind === 'rejected') walk.outcome = { kind: 'rejected', reason: decision.refusal.code };
    if (isSettled(walk)) return;
    live.unpark();
    claimLate(walk, this.rooms.admission);
  }

  private async execute(walk: RunWalk): Promise<void> {
    if (isSettled(walk)) return;
    if (walk.joined && !(await this.rooms.sharing.join(walk))) claimLate(walk, this.rooms.admission);
    const { live, cached } = walk;
    if (cached) {
      walk.startedAt = this.rooms.clock.monotonic();
      live.begin(this.rooms.clock.now());
      adopt(walk, cached);
      return;
    }
    if (!isSettled(walk)) await this.rooms.execution.carryOut(walk);
    walk.ticket?.release();
    if (walk.command.fallback) this.rooms.sharing.fallBack(walk);
    if (walk.flight) this.rooms.sharing.land(walk);
  }

  private async recordOutcome(walk: RunWalk): Promise<void> {
    const run = await this.recorder.recordEnd(walk);
    walk.runClaim?.spend();
    if (walk.usage) walk.tokenClaim?.spend(walk.usage.counted);
    if (walk.cacheKey !== undefined) this.rooms.sharing.keep(walk);
    walk.live.finish(run, walk.refusal);
  }
}
