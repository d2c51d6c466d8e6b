import type { ProcessInvocation } from '../domain/command.js';
import type { OutputStream } from '../domain/run.js';

/** What the gateway may send to a run: the polite end and the certain one. */
export type KillSignal = 'SIGTERM' | 'SIGKILL';

/** A program to start: everything resolved, private files already written and named in `argv`. */
export interface LaunchRequest extends Omit<ProcessInvocation, 'kind' | 'files'> {
  /** Output forwarded, both streams together; the rest is read and dropped. */
  readonly outputBytes: number;
}

export interface StartCommand extends LaunchRequest {
  readonly kind: 'start';
  /** Names the run on this channel; never used twice by one gateway. */
  readonly id: number;
}

/** Gateway → host. A message on the channel is an array of these, carried out in order. */
export type HostCommand = StartCommand | { readonly kind: 'kill'; readonly id: number; readonly signal: KillSignal };

/** How a host starts programs: by posix_spawn(3) through an FFI, or by Node's own `child_process`. */
export type SpawnMechanism = 'posix_spawn' | 'child_process';

/**
 * Host → gateway. A message on the channel is an array of these. `ready` comes once, first. A run is reported as
 * `started`, then `output` in the order it was read with at most one `truncated`, then `exited`; or as `failed` alone.
 */
export type HostReport =
  | { readonly kind: 'ready'; readonly mechanism: SpawnMechanism }
  /** `pid` leads the process group that holds the run. */
  | { readonly kind: 'started'; readonly id: number; readonly pid: number }
  | { readonly kind: 'output'; readonly id: number; readonly stream: OutputStream; readonly data: Buffer }
  | { readonly kind: 'truncated'; readonly id: number }
  /** Ended by a signal, `code` is 128 + its number and `signal` its name. */
  | { readonly kind: 'exited'; readonly id: number; readonly code: number; readonly signal?: string }
  /** Nothing was started. `reason` is fit for callers: it names no path and no value. */
  | { readonly kind: 'failed'; readonly id: number; readonly reason: string };

/** Argument of a host that is to start programs by `child_process`. */
export const WITHOUT_FFI = '--without-ffi';
