import type { KillSignal, LaunchInput } from '../domain/launcher.js';
import type { OutputStream } from '../domain/run.js';
import type { OpenPlace } from './bubblewrap.js';

/** A program as a host starts it: wrapped into its sandbox and its limits already. */
export interface HostLaunch {
  readonly file: string;
  /** argv[0] included. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly stdin: string | FedInput | null;
  /** Output forwarded, both streams together; the rest is read and dropped. */
  readonly outputBytes: number;
  /** Null where the program is started as it is. */
  readonly sandbox: HostSandbox | null;
  /** Control group that it is in before its first instruction. */
  readonly group: ControlGroupPlan | null;
}

/** The same before it is given to a host: with the stdin itself. */
export interface PlannedLaunch extends Omit<HostLaunch, 'stdin'> {
  readonly stdin: LaunchInput;
}

/** It comes while the program runs, by `input` commands. */
export interface FedInput {
  readonly fed: true;
}

/** What a host has to know of the bubblewrap that it starts. */
export interface HostSandbox {
  /** File of the system-call filter. */
  readonly filter: string | null;
  /** Device that is given as stdin where there is none to read. */
  readonly nullDevice: string;
  /** What it shows; the arguments that become descriptors are those of `argv`. */
  readonly places: readonly OpenPlace[];
}

/** A sandbox for a host to live in. */
export interface SharedSandbox extends HostSandbox {
  /** Up to the program of the host. */
  readonly argv: readonly string[];
  readonly group: ControlGroupPlan | null;
}

/** A control group to be made for one run, or one sandbox. */
export interface ControlGroupPlan {
  /** Folders in which it is made: one, or one for each controller where these have hierarchies of their own. */
  readonly parents: readonly string[];
  /** Its files and their contents; those that a parent does not have are left out. */
  readonly settings: Readonly<Record<string, string>>;
}

export interface StartCommand extends HostLaunch {
  readonly kind: 'start';
  /** Names the run on this channel; never used twice by one gateway. */
  readonly id: number;
}

/** Gateway → host. A message on the channel is an array of these, carried out in order. */
export type HostCommand =
  | StartCommand
  | { readonly kind: 'kill'; readonly id: number; readonly signal: KillSignal }
  /** The next piece of a fed stdin, sent when the one before was `taken`; null is its end. */
  | { readonly kind: 'input'; readonly id: number; readonly data: Uint8Array | null };

/** How a host starts programs: by posix_spawn(3) through an FFI, or by Node's own `child_process`. */
export type SpawnMechanism = 'posix_spawn' | 'child_process';

/**
 * Host → gateway. A message on the channel is an array of these. `ready` comes once, first. A run is reported as
 * `started`, then `output` in the order it was read with at most one `truncated` and with `taken` among them, then `exited`; or as `failed` alone.
 */
export type HostReport =
  | { readonly kind: 'ready'; readonly mechanism: SpawnMechanism; readonly adopts: boolean }
  /** The sandbox that this host lives in cannot be made as good as new: it must get no other run. Comes before the end of the run. */
  | { readonly kind: 'spent' }
  /** `pid` leads the process group that holds the run. */
  | { readonly kind: 'started'; readonly id: number; readonly pid: number }
  | { readonly kind: 'output'; readonly id: number; readonly stream: OutputStream; readonly data: Buffer }
  | { readonly kind: 'truncated'; readonly id: number }
  /** The last piece of its stdin is in the pipe, or nobody reads it any more. */
  | { readonly kind: 'taken'; readonly id: number }
  /** Ended by a signal, `code` is 128 + its number and `signal` its name. */
  | { readonly kind: 'exited'; readonly id: number; readonly code: number; readonly signal?: string }
  /** Nothing was started. `reason` is fit for callers: it names no path and no value. */
  | { readonly kind: 'failed'; readonly id: number; readonly reason: string };

/** Argument of a host that is to start programs by `child_process`. */
export const WITHOUT_FFI = '--without-ffi';
/** Argument of a host that lives in a sandbox, where it gets one run at a time. It ends when it cannot make the sandbox as good as new. */
export const IN_SANDBOX = '--in-sandbox';
