import { spawn, type ChildProcess } from 'node:child_process';
import type { OutputStream } from '../domain/run.js';
import type { LaunchRequest } from './launcher-protocol.js';

/** What happens to a child. Either `onFailure` alone, or any number of `onOutput` and then `onEnd`. */
export interface ChildEvents {
  onOutput(stream: OutputStream, data: Buffer): void;
  /** The program itself has ended and both pipes are at their end, or were abandoned. Exactly one of the two is not null. */
  onEnd(code: number | null, signal: NodeJS.Signals | null): void;
  /** Nothing was started. `code` is an errno name or a Node error code. May be called before `spawnChild` returns. */
  onFailure(code: string): void;
}

export interface Child {
  /** Leader of a session and process group of its own, without a controlling terminal. */
  readonly pid: number;
  /** Stops reading: the child blocks once its pipes are full. */
  pause(): void;
  resume(): void;
  /** Waits no longer for the end of the pipes; what is still in them is lost. */
  abandonPipes(): void;
}

/** Starts a program; null when nothing was started. */
export type SpawnChild = (request: LaunchRequest, events: ChildEvents) => Child | null;

/**
 * Starts a program by Node's own means; `PosixSpawner` does the same faster. The child has descriptors 0 to 2 only, default signal handling, exactly the environment
 * given, and no shell between it and its argv.
 * @returns null when nothing was started
 */
export function spawnChild(request: LaunchRequest, events: ChildEvents): Child | null {
  const child = trySpawn(request, events);
  if (!child) return null;
  if (child.pid === undefined) {
    child.once('error', (error) => events.onFailure(codeOf(error)));
    return null;
  }
  const { stdin, stdout, stderr } = child;
  // A program that does not read its stdin (EPIPE), or dies with some of it unread (ECONNRESET), has done nothing wrong.
  for (const pipe of [stdin, stdout, stderr]) pipe?.on('error', ignoreBrokenPipe);
  stdout?.on('data', (data: Buffer) => events.onOutput('stdout', data));
  stderr?.on('data', (data: Buffer) => events.onOutput('stderr', data));
  child.once('close', (code, signal) => events.onEnd(code, signal));
  stdin?.end(request.stdin);
  return {
    pid: child.pid,
    pause: () => void [stdout?.pause(), stderr?.pause()],
    resume: () => void [stdout?.resume(), stderr?.resume()],
    abandonPipes: () => void [stdout?.destroy(), stderr?.destroy()],
  };
}

function trySpawn(request: LaunchRequest, events: ChildEvents): ChildProcess | null {
  try {
    return spawn(request.file, request.argv.slice(1), {
      argv0: request.argv[0] ?? request.file,
      env: request.env,
      cwd: request.cwd,
      detached: true,
      shell: false,
      stdio: [request.stdin === null ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
  } catch (error) {
    // Node throws what it does not turn into an event: a NUL in an element, E2BIG, ENOTDIR.
    events.onFailure(codeOf(error));
    return null;
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown error';
}

function ignoreBrokenPipe(): void {
  // The end of the child tells all there is to tell.
}
