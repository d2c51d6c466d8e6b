import type { Command, ExecutorKind } from '../domain/command.js';
import type { WriteHealth } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import type { ExecutionEnd, Executor } from '../domain/executor.js';
import type { Clock } from '../domain/ports.js';
import type { RunOutcome } from '../domain/run.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Redaction } from '../redaction/redaction.js';
import type { Attempt, Resilience } from '../resilience/resilience.js';
import { OutputCollector } from './output-collector.js';
import type { RunWalk } from './run-walk.js';

interface Attempted extends Attempt {
  readonly end: ExecutionEnd;
  /** Output of this attempt, still to be shown: the collector keeps a retried command's output back until it is the last. */
  readonly collector: OutputCollector;
}

interface ExecutionRooms {
  readonly resilience: Resilience;
  readonly writes: WriteHealth;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly redaction: Redaction;
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
    if (!(await ticket?.granted) || live.cause) {
      walk.outcome = live.cause ?? { kind: 'cancelled', by: 'shutdown' };
      return;
    }
    // Its intent was recorded a while ago. What cannot be recorded now does not start now.
    if (!ticket?.immediate && !(await this.mayStart(walk))) return;
    walk.startedAt = this.rooms.clock.monotonic();
    live.begin(this.rooms.clock.now());
    const timer = setTimeout(() => live.abort({ kind: 'timed_out', afterMs: command.timeoutMs }), command.timeoutMs);
    try {
      const { end, collector } = await this.rooms.resilience.run(command, live.signal, (number) => this.attempt(walk, number));
      collector.release();
      walk.outcome = live.cause ?? end;
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
    const { live, command, preparation, origin } = walk;
    walk.attempts = number;
    walk.truncated = false;
    if (number > 1) this.rooms.metrics.retries.inc({ command: command.name });
    const collector = new OutputCollector(live, {
      secrets: preparation.secrets,
      keepBack: command.retry !== null,
      redaction: this.rooms.redaction,
      onRedaction: (kind) => this.rooms.metrics.redactions.inc({ kind }),
    });
    const end = await this.executor(command.executor).execute(preparation.invocation, {
      runId: live.run.id,
      signal: live.signal,
      outputBytes: command.limits.outputBytes,
      traceparent: origin.traceparent,
      onOutput: (stream, data) => {
        this.rooms.metrics.runOutputBytes.inc(data.length);
        collector.take(stream, data);
      },
      onTruncated: () => void (walk.truncated = true),
    });
    collector.close();
    walk.redactions = collector.redactions;
    return { end, collector, failed: !live.cause && isFailure(end) };
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

function isFailure(end: Extract<RunOutcome, ExecutionEnd>): boolean {
  return end.kind !== 'exited' || end.code !== 0;
}
