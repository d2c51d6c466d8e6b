import { type ExecutionContext, type ExecutionEnd, Executor } from '../domain/executor.js';
import type { AbortCause } from '../domain/run.js';
import type { RequestOrigin } from '../http/parameters.js';
import type { LiveRun } from '../runs/live-run.js';

/** Why a session is over: by itself; because an instruction was given up; or ended from outside, for whatever reason. */
export type SessionEnd = 'itself' | 'given_up' | 'outside';

/** What an agent consists of while it lives: carries out the run that it is, and the instructions one by one. */
export abstract class Session extends Executor {
  private live: LiveRun | undefined;
  private cause: AbortCause | undefined;

  /** Nothing is left of it. */
  abstract get isOver(): boolean;

  /** Tokens of a language model that an instruction may take; null where it asks none. */
  abstract expectedTokens(instruction: string): number | null;

  /**
   * Resolves to how the instruction was taken. Never rejects for what came of it.
   * @param origin of whoever gives it
   */
  abstract instruct(text: string, context: ExecutionContext, origin: RequestOrigin): Promise<ExecutionEnd>;

  /** The run that it is, once that is under way. */
  attach(live: LiveRun): void {
    this.live = live;
    if (this.cause) live.abort(this.cause);
  }

  /** Ends it; the first cause counts. */
  stop(cause: AbortCause): void {
    this.cause ??= cause;
    this.live?.abort(cause);
  }
}
