import type { ExecutorKind, Invocation } from './command.js';
import type { FailureCause } from './failure.js';
import type { ModelUsage } from './llm.js';
import type { CallFault } from './outgoing.js';
import type { OutputStream, RunId } from './run.js';
import type { Span } from './tracing.js';

/** How the executor saw the thing end. What ended it from outside is known to the run, not to the executor. */
export type ExecutionEnd =
  | { readonly kind: 'exited'; readonly code: number; readonly signal?: string }
  | { readonly kind: 'failed_to_start'; readonly reason: string }
  | { readonly kind: 'answered'; readonly status: number; readonly expected: boolean }
  | { readonly kind: 'unanswered'; readonly fault: CallFault; readonly sent: boolean }
  /** The process that held the child is gone, and the child with it; nobody saw how it ended. */
  | { readonly kind: 'lost' };

/** The end of what was cancelled before anything was started for it. */
export const ENDED_BEFORE_START = { kind: 'failed_to_start', reason: 'the run was ended before its start' } as const satisfies ExecutionEnd;

export interface ExecutionContext {
  readonly runId: RunId;
  /** Aborted on timeout, cancel, client gone, shutdown: TERM, grace, KILL to everything that was started. */
  readonly signal: AbortSignal;
  /** Output beyond this many bytes (both streams together) is read, counted and dropped. */
  readonly outputBytes: number;
  /** The trace of the request. */
  readonly traceparent: string;
  /** What a program reads while it runs, instead of what its invocation says. */
  readonly input?: AsyncIterable<Uint8Array>;
  /** What this is followed as. */
  readonly span: Span;
  /** Raw bytes in the order they came; not yet redacted. */
  onOutput(stream: OutputStream, data: Buffer): void;
  /** Called once when more came than `outputBytes`. */
  onTruncated(): void;
  /**
   * Called before the end by an executor that knows more of a failure than the end says: a status, how long to wait. Absent where nobody
   * asks.
   */
  readonly onFailure?: (cause: FailureCause) => void;
  /** Called before the end with what a language model was asked and took. */
  readonly onUsage?: (usage: ModelUsage) => void;
}

/**
 * Carries out one kind of command. Knows nothing of callers, policy or storage.
 * Resolves only when everything it started is gone; never rejects for what the command did.
 */
export abstract class Executor {
  abstract readonly kind: ExecutorKind;
  /**
   * Starts nothing outside this process and answers at once. A crash in the middle leaves no trace in the world, so intent and
   * outcome of such a run are recorded together.
   */
  readonly instant: boolean = false;

  abstract execute(invocation: Invocation, context: ExecutionContext): Promise<ExecutionEnd>;
}
