import type { AuditLog } from '../domain/audit-log.js';
import type { Db } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import type { Clock, EventBus, RateCounter } from '../domain/ports.js';
import type { Run, RunId } from '../domain/run.js';
import { newId } from '../http/request-context.js';
import type { Metrics } from '../metrics/metrics.js';
import type { KeyBudgets, RunClaim } from '../auth/key-budgets.js';
import { assertMayRun, pinArguments } from '../auth/permissions.js';
import type { Catalogue } from '../commands/catalogue.js';
import type { Admission } from './admission.js';
import type { IdempotencyLedger } from './idempotency-ledger.js';
import { LiveRun } from './live-run.js';
import type { OutcomeBacklog } from './outcome-backlog.js';
import { resolveCommand } from './resolve-command.js';
import { cacheKey, ResultCache } from './result-cache.js';
import type { RunExecution } from './run-execution.js';
import type { RunRequest } from './run-request.js';
import { RunRecorder } from './run-recorder.js';
import { type RunOrigin, RunWalk } from './run-walk.js';

/** The path, in order. Up to `recordIntent` a refusal is thrown to the caller; from there on the run exists and has an outcome. */
export const STEPS = [
  'resolve',
  'authorise',
  'recogniseRepeat',
  'checkArguments',
  'applyPolicy',
  'admit',
  'recordIntent',
  'execute',
  'recordOutcome',
  'announce',
] as const;

type StepName = (typeof STEPS)[number];
type Step = (walk: RunWalk) => void | Promise<void>;

const ACCEPTING = STEPS.slice(0, STEPS.indexOf('execute'));
const COMPLETING = STEPS.slice(STEPS.indexOf('execute'));

/** What the path needs from the other rooms. */
export interface RunRooms {
  readonly catalogue: Catalogue;
  readonly idempotency: IdempotencyLedger;
  readonly rates: RateCounter;
  readonly budgets: KeyBudgets;
  readonly admission: Admission;
  readonly cache: ResultCache;
  readonly execution: RunExecution;
  readonly backlog: OutcomeBacklog;
  readonly audit: AuditLog;
  readonly db: Db;
  readonly events: EventBus;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** Walks every run along {@link STEPS}, whichever door it came through. */
export class RunService {
  private readonly steps: Readonly<Record<StepName, Step>> = {
    resolve: (walk) => this.resolve(walk),
    authorise: (walk) => this.authorise(walk),
    recogniseRepeat: (walk) => this.rooms.idempotency.recognise(walk),
    checkArguments: async (walk) => void (walk.preparation = await walk.command.prepare(walk.args)),
    applyPolicy: (walk) => this.applyPolicy(walk),
    admit: (walk) => this.admit(walk),
    recordIntent: (walk) => this.recordIntent(walk),
    execute: (walk) => this.execute(walk),
    recordOutcome: (walk) => this.recordOutcome(walk),
    announce: ({ live }) => this.rooms.events.publish('run.finished', { run: live.run }),
  };
  private readonly underWay = new Map<RunId, LiveRun>();
  private readonly recorder: RunRecorder;
  private accepting = true;

  constructor(private readonly rooms: RunRooms) {
    this.recorder = new RunRecorder(rooms);
  }

  /**
   * Takes a run in. When it resolves, the run is durably recorded and on its way, or it is that of an earlier request with the
   * same idempotency key, which has ended.
   * @throws GatewayError the refusal, by whichever step; nothing was started
   */
  async start(request: RunRequest, origin: RunOrigin): Promise<LiveRun> {
    const walk = new RunWalk(request, origin);
    try {
      for (const step of ACCEPTING) {
        const pending = this.steps[step](walk);
        if (pending) await pending;
        if (walk.replay) return walk.replay;
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

  /** Takes no more runs; waits up to `timeoutMs` for those under way, then ends them, and resolves when all are recorded. */
  async drain(timeoutMs: number): Promise<void> {
    this.accepting = false;
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
    this.leave(walk);
    if (live) this.recorder.withdraw(walk, error);
  }

  private leave(walk: Partial<RunWalk>): void {
    walk.ticket?.release();
    walk.runClaim?.release();
    if (walk.live) this.underWay.delete(walk.live.run.id);
    this.rooms.idempotency.release(walk);
  }

  private async complete(walk: RunWalk): Promise<void> {
    try {
      for (const step of COMPLETING) {
        const pending = this.steps[step](walk);
        if (pending) await pending;
      }
    } catch (error) {
      walk.live.fail(error);
    } finally {
      this.leave(walk);
    }
  }

  private resolve(walk: RunWalk): void {
    this.assertAccepting();
    resolveCommand(walk, this.rooms.catalogue);
  }

  private authorise(walk: RunWalk): void {
    const { origin, command } = walk;
    assertMayRun(origin.principal, command);
    walk.args = pinArguments(origin.principal, command, walk.args);
  }

  private applyPolicy({ command }: RunWalk): void | Promise<void> {
    const { rate } = command.limits;
    if (rate === null) return;
    return this.rooms.rates.spend(`command:${command.name}`, rate).then(({ allowed, resetSeconds }) => {
      if (allowed) return;
      this.rooms.metrics.rateLimited.inc({ scope: 'command' });
      throw new GatewayError('rate_limited', 'This command has been run as often as its own limit allows.', {
        retryAfterSeconds: resetSeconds,
      });
    });
  }

  private admit(walk: RunWalk): void | Promise<void> {
    const claiming = this.rooms.budgets.claim(walk.origin.principal);
    return claiming ? this.admitClaimed(walk, claiming) : this.enter(walk);
  }

  private async admitClaimed(walk: RunWalk, claiming: Promise<RunClaim>): Promise<void> {
    walk.runClaim = await claiming;
    this.enter(walk);
  }

  private enter(walk: RunWalk): void {
    const { command, preparation, origin } = walk;
    // Once more: a drain may have begun meanwhile, and it waits for those alone that are under way by then.
    this.assertAccepting();
    if (this.rooms.backlog.full)
      throw new GatewayError('storage_unavailable', 'Too many ends of runs wait to be recorded.', { retryAfterSeconds: 1 });
    walk.live = new LiveRun(this.newRun(walk));
    this.underWay.set(walk.live.run.id, walk.live);
    if (command.cacheMs !== null) {
      walk.cached = this.rooms.cache.get(cacheKey(command, preparation, origin.principal));
      this.rooms.metrics.cacheRequests.inc({ result: walk.cached ? 'hit' : 'miss' });
      if (walk.cached) return;
    }
    walk.ticket = this.rooms.admission.claim(command.name, command.limits.concurrent, walk.live.signal);
  }

  private assertAccepting(): void {
    if (this.accepting) return;
    throw new GatewayError('draining', 'The gateway is shutting down and takes no more runs.', { retryAfterSeconds: 5 });
  }

  private newRun({ command, preparation, origin }: RunWalk): Run {
    return {
      id: newId('run'),
      command: command.name,
      commandVersion: command.version,
      principalId: origin.principal.id,
      args: preparation.args,
      requestId: origin.requestId,
      status: 'queued',
      outcome: null,
      truncated: false,
      redactions: 0,
      cached: false,
      attempts: 0,
      queuedAt: this.rooms.clock.now(),
      startedAt: null,
      finishedAt: null,
      durationMs: null,
    };
  }

  /** Durable before anything starts. Where nothing is started (a cached result, an instant executor) it goes with the outcome. */
  private recordIntent(walk: RunWalk): void | Promise<void> {
    const { command, preparation, live, origin, cached } = walk;
    const intent = this.rooms.audit.appended({
      action: 'run.intent',
      principalId: origin.principal.id,
      subject: live.run.id,
      requestId: origin.requestId,
      details: {
        command: command.name,
        version: command.version,
        effect: command.effect,
        argsDigest: preparation.argsDigest,
        address: origin.principal.address,
      },
    });
    const writes = [...this.rooms.idempotency.writes(walk), ...(walk.runClaim?.writes ?? []), intent];
    if (cached || this.rooms.execution.isInstant(command)) walk.unrecordedIntent = writes;
    else return this.recorder.commit([{ kind: 'run.insert', run: live.run, output: [] }, ...writes]).then(() => walk.runClaim?.spend());
  }

  private async execute(walk: RunWalk): Promise<void> {
    const { live, cached } = walk;
    walk.startedAt = this.rooms.clock.monotonic();
    if (cached) {
      live.begin(this.rooms.clock.now());
      live.adopt(cached.output);
      walk.outcome = cached.outcome;
      walk.redactions = cached.redactions;
      walk.truncated = cached.truncated;
      return;
    }
    await this.rooms.execution.carryOut(walk);
    walk.ticket?.release();
  }

  private async recordOutcome(walk: RunWalk): Promise<void> {
    const run = await this.recorder.recordEnd(walk);
    walk.runClaim?.spend();
    this.remember(walk);
    walk.live.finish(run, walk.refusal);
  }

  private remember({ command, preparation, origin, cached, live, outcome, redactions, truncated }: RunWalk): void {
    if (command.cacheMs === null || cached) return;
    this.rooms.cache.put(
      cacheKey(command, preparation, origin.principal),
      { outcome, output: live.output, redactions, truncated },
      command.cacheMs,
    );
  }
}
