import type { ProcessInvocation } from './command.js';
import type { ExecutionEnd } from './executor.js';
import type { OutputStream } from './run.js';
import type { ContainmentReport } from './sandbox.js';

/** What may be sent to a run: the polite end and the certain one. */
export type KillSignal = 'SIGTERM' | 'SIGKILL';

/** A program to start: everything resolved, private files already written and named in `argv`. */
export interface LaunchRequest extends Omit<ProcessInvocation, 'kind' | 'files' | 'stdin'> {
  readonly stdin: LaunchInput;
  /** Output forwarded, both streams together; the rest is read and dropped. */
  readonly outputBytes: number;
  /** Folder of the run's private files; null when it has none. */
  readonly privateFolder: string | null;
}

/**
 * What a program reads: nothing (/dev/null), a text (UTF-8) that is all there from its start, or what comes while it runs. The next piece is
 * asked for when the program can take it, the source is left when the run has ended, and a source that fails ends the run by KILL: half of an
 * input must not look like the whole.
 */
export type LaunchInput = string | AsyncIterable<Uint8Array> | null;

export interface LaunchHandlers {
  /** At most once, first. @param pid of the process that leads it, as this host numbers it; not told of what is in a sandbox that stays */
  onStarted?(pid: number): void;
  /** Raw bytes in the order they were read. They share memory with other output: use them at once or copy them. */
  onOutput(stream: OutputStream, data: Buffer): void;
  onTruncated(): void;
  /** Exactly once, last: nothing of the run is left then, as far as this host allows. */
  onEnd(end: ExecutionEnd): void;
}

export interface LaunchedProcess {
  /** Signals everything that the run started, as far as it can be found; does nothing when the run has ended. */
  kill(signal: KillSignal): void;
}

/** Starts programs, contained as their request says. The only thing in the gateway that does. */
export abstract class Launcher {
  /** @throws GatewayError `executor_unavailable` when it cannot take work now */
  abstract launch(request: LaunchRequest, handlers: LaunchHandlers): LaunchedProcess;
  /** What it contains on this host. Known once it has started. */
  abstract get containment(): ContainmentReport;
}
