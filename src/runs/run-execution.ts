import type { Command, ExecutorKind } from '../domain/command.js';
import type { WriteHealth } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import type { FailureCause } from '../domain/failure.js';
import type { ExecutionContext, ExecutionEnd, Executor } from '../domain/executor.js';
import { addUsage } from '../domain/llm.js';
import type { Clock } from '../domain/ports.js';
import type { RunOutcome } from '../domain/run.js';
import type { Tracer } from '../domain/tracing.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Redaction } from '../redaction/redaction.js';
import type { Attempt, Resilience } from '../resilience/resilience.js';
import { toldWithin } from '../resilience/time-limits.js';
import { OutputCollector } from './output-collector.js';
import { endExecution, followWait } from './run-spans.js';
import type { RunWalk } from './run-walk.js';

interface Attempted extends Attempt {
  readonly outcome: RunOutcome;
  /** Output of this attempt, still to be shown: the collector keeps a retried command's output back until it is the last. */
  readonly collector: OutputCollector;
}

interface ExecutionRooms {
  readonly resilience: Resilience;
  readonly writes: WriteHealth;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly redaction: Redaction;
  readonly tracer: Tracer;
}

/** The step `execute`: waits for the slot, then lets the executor work inside timeout, retry and breaker. */
export class RunExecution {
  private readonly executors: ReadonlyMap<ExecutorKind, Executor>;

  constructor(
    executors: readonly Executor[],
    private readonly rooms: ExecutionRooms,
  ) {
    this.executors = new Map(executors.map((executor) => [executor.kind, executor]));
  }

  /** Whether carrying it out starts nothing outside this process, and takes no time worth telling. */
  isInstant(command: Command): boolean {
    return this.executor(command.executor).instant;
  }

  /** Sets the walk's outcome. Never rejects for what the command did. */
  async carryOut(walk: RunWalk): Promise<void> {
    const { live, command, ticket } = walk;
    if (!(await followWait(this.rooms.tracer.current, ticket)) || live.cause) {
      walk.outcome = live.cause ?? { kind: 'cancelled', by: 'shutdown' };
      return;
    }
    // Its intent was recorded a while ago. What cannot be recorded now does not start now.
    if (!ticket?.immediate && !(await this.mayStart(walk))) return;
    walk.startedAt = this.rooms.clock.monotonic();
    if (walk.flight) walk.flight.startedAt = walk.startedAt;
    live.begin(this.rooms.clock.now());
    const { timeoutMs } = command;
    const timer = setTimeout(() => live.abort({ kind: 'timed_out', afterMs: timeoutMs }), timeoutMs - walk.waitedMs);
    try {
      const { outcome, collector } = isGuarded(command)
        ? await this.rooms.resilience.run(command, live.signal, (number) => this.attempt(walk, number))
        : await this.attempt(walk, 1);
      walk.outcome = live.cause ?? outcome;
      if (command.fallback === null) collector.release();
      else walk.keptBack = collector;
    } catch (error) {
      // Waiting for a breaker ends with an error of its library when the run is aborted: the cause is the outcome.
      if (live.cause) walk.outcome = live.cause;
      else rejectWalk(walk, error);
    } finally {
      clearTimeout(timer);
    }
  }

  private async mayStart(walk: RunWalk): Promise<boolean> {
    try {
      await this.rooms.writes.checkWritable();
      return true;
    } catch (error) {
      rejectWalk(walk, error);
      return false;
    }
  }

  private async attempt(walk: RunWalk, number: number): Promise<Attempted> {
    const { live, command, preparation } = walk;
    walk.attempts = number;
    walk.truncated = false;
    if (number > 1) this.rooms.metrics.retries.inc({ command: command.name });
    const collector = new OutputCollector(live, {
      secrets: preparation.secrets,
      keepBack: command.retry !== null || command.fallback !== null,
      redaction: this.rooms.redaction,
      onRedaction: (kind) => this.rooms.metrics.redactions.inc({ kind }),
    });
    const attempted = isGuarded(command) ? await this.guarded(walk, collector) : await this.plain(walk, collector);
    collector.close();
    walk.redactions = collector.redactions;
    return attempted;
  }

  private async plain(walk: RunWalk, collector: OutputCollector): Promise<Attempted> {
    return { outcome: await this.execute(walk, collector), collector, failure: null };
  }

  /** Finds out why it failed, and ends it when its own time is over before that of the run. */
  private async guarded(walk: RunWalk, collector: OutputCollector): Promise<Attempted> {
    const { live, command } = walk;
    const limitMs = command.retry?.attemptTimeoutMs ?? null;
    let [signal, told] = [live.signal, undefined as FailureCause | undefined];
    const execute = (given: AbortSignal) => {
      signal = given;
      return this.execute(walk, collector, { signal, onFailure: (cause) => void (told = cause) });
    };
    const end = limitMs === null ? await execute(live.signal) : await toldWithin(limitMs, live.signal, execute);
    const { cause } = live;
    if (cause) return { outcome: cause, collector, failure: cause.kind === 'timed_out' ? { kind: 'timeout' } : 'unclear' };
    if (signal.aborted) return { outcome: { kind: 'timed_out', afterMs: limitMs ?? 0 }, collector, failure: { kind: 'timeout' } };
    const failure = causeOf(end);
    return { outcome: end, collector, failure: failure && (told ?? failure) };
  }

  /** @param told what an attempt is told beside what every execution is */
  private async execute(
    walk: RunWalk,
    collector: OutputCollector,
    told: Partial<Pick<ExecutionContext, 'signal' | 'onFailure'>> = {},
  ): Promise<ExecutionEnd> {
    const { live, command, preparation, origin, request } = walk;
    const { metrics, tracer } = this.rooms;
    const executor = request.via?.executor() ?? this.executor(command.executor);
    const span = executor.instant ? tracer.current : tracer.current.child(command.name, 'client');
    const work = () =>
      executor.execute(preparation.invocation, {
        runId: live.run.id,
        signal: live.signal,
        outputBytes: command.limits.outputBytes,
        traceparent: origin.traceparent,
        span,
        onOutput: (stream, data) => {
          metrics.runOutputBytes.inc(data.length);
          collector.take(stream, data);
        },
        onTruncated: () => void (walk.truncated = true),
        onUsage: (usage) => void (walk.usage = addUsage(walk.usage, usage)),
        ...told,
      });
    if (executor.instant || !span.isRecording) return work();
    return endExecution(span, walk, tracer.within(span, work));
  }

  private executor(kind: ExecutorKind): Executor {
    const executor = this.executors.get(kind);
    if (!executor) throw new Error(`no executor for ${kind}`);
    return executor;
  }
}

/** The outcome of a run that is refused after it was recorded. */
export function rejectWalk(walk: RunWalk, error: unknown): void {
  if (!(error instanceof GatewayError)) throw error;
  walk.outcome = { kind: 'rejected', reason: error.code };
  walk.refusal = error;
}

/** Whether anything looks at its attempts one by one. */
function isGuarded({ retry, breaker }: Command): boolean {
  return retry !== null || breaker !== null;
}

function causeOf(end: ExecutionEnd): FailureCause | null {
  switch (end.kind) {
    case 'exited':
      return end.code === 0 ? null : { kind: 'exit_code', code: end.code };
    case 'failed_to_start':
      return { kind: 'never_started' };
    case 'answered':
      return end.expected ? null : { kind: 'status', status: end.status };
    case 'unanswered':
      return { kind: end.sent ? 'lost' : 'never_started' };
    case 'lost':
      return { kind: 'lost' };
  }
}
