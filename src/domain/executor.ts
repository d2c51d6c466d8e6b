import type { ExecutorKind, Invocation } from './command.js';
import type { OutputStream, RunId } from './run.js';

/** How the executor saw the thing end. What ended it from outside is known to the run, not to the executor. */
export type ExecutionEnd =
  | { readonly kind: 'exited'; readonly code: number; readonly signal?: string }
  | { readonly kind: 'failed_to_start'; readonly reason: string }
  /** The process that held the child is gone, and the child with it; nobody saw how it ended. */
  | { readonly kind: 'lost' };

export interface ExecutionContext {
  readonly runId: RunId;
  /** Aborted on timeout, cancel, client gone, shutdown: TERM, grace, KILL to everything that was started. */
  readonly signal: AbortSignal;
  /** Output beyond this many bytes (both streams together) is read, counted and dropped. */
  readonly outputBytes: number;
  readonly traceparent: string;
  /** Raw bytes in the order they came; not yet redacted. */
  onOutput(stream: OutputStream, data: Buffer): void;
  /** Called once when more came than `outputBytes`. */
  onTruncated(): void;
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
