import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import type { OutputStream } from '../domain/run.js';
import { GATE_FD, STATUS_FD } from './bubblewrap.js';
import type { HostLaunch } from './host-protocol.js';
import { MOVED, openPlaces, withDescriptors } from './open-places.js';

/** What can be read from a child: its output, and what bubblewrap tells of the sandbox. */
export type ChildStream = OutputStream | 'status';

/** What happens to a child. Either `onFailure` alone, or any number of `onOutput`, one `onExit` among them at most, and then `onEnd`. */
export interface ChildEvents {
  /** `data` is valid during the call alone. */
  onOutput(stream: ChildStream, data: Buffer): void;
  /** The program itself has ended, and its pipes are not at their end: somebody else may hold them. */
  onExit(): void;
  /** The program itself has ended and its pipes are at their end, or were abandoned. Exactly one of the two is not null. */
  onEnd(code: number | null, signal: NodeJS.Signals | null): void;
  /** Nothing was started. `code` is an errno name, a Node error code or {@link MOVED}. May be called before `spawnChild` returns. */
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
  /** Lets a sandbox that waits for its control group go on. */
  openGate(): void;
  /** Writes a piece to a fed stdin, or with null ends it. `taken` is called when the next may come; it need not be once the child has ended. */
  feed(data: Uint8Array | null, taken: () => void): void;
}

/** Starts a program; null when nothing was started. */
export type SpawnChild = (request: HostLaunch, events: ChildEvents) => Child | null;

/**
 * Starts a program by Node's own means; `PosixSpawner` does the same faster. The child has descriptors 0 to 2 only (and those of its
 * sandbox), default signal handling, exactly the environment given, and no shell between it and its argv.
 * @returns null when nothing was started
 */
export function spawnChild(request: HostLaunch, events: ChildEvents): Child | null {
  const child = trySpawn(request, events);
  if (!child) return null;
  if (child.pid === undefined) {
    child.once('error', (error) => events.onFailure(codeOf(error)));
    return null;
  }
  const { stdin, stdout, stderr, stdio } = child;
  const status = stdio[STATUS_FD] as Readable | null | undefined;
  const gate = stdio[GATE_FD] as Writable | null | undefined;
  const outputs = { stdout, stderr, status };
  // A program that does not read its stdin (EPIPE), or dies with some of it unread (ECONNRESET), has done nothing wrong.
  for (const pipe of [stdin, stdout, stderr, status, gate]) pipe?.on('error', ignoreBrokenPipe);
  for (const [name, pipe] of Object.entries(outputs)) pipe?.on('data', (data: Buffer) => events.onOutput(name as ChildStream, data));
  child.once('exit', () => events.onExit());
  child.once('close', (code, signal) => events.onEnd(code, signal));
  if (typeof request.stdin === 'string') stdin?.end(request.stdin);
  return {
    pid: child.pid,
    pause: () => void [stdout?.pause(), stderr?.pause()],
    resume: () => void [stdout?.resume(), stderr?.resume()],
    abandonPipes: () => void [stdout?.destroy(), stderr?.destroy(), status?.destroy(), gate?.destroy()],
    openGate: () => void gate?.end('\n'),
    feed: (data, taken) => void (data === null ? stdin?.end() : stdin?.write(data, () => taken())),
  };
}

function trySpawn(request: HostLaunch, events: ChildEvents): ChildProcess | null {
  const { sandbox } = request;
  const opened: number[] = [];
  const open = (path: string): Given => {
    const descriptor = openSync(path, 'r');
    opened.push(descriptor);
    return descriptor;
  };
  try {
    const places = openPlaces(sandbox?.places ?? []);
    if (places === null) return (events.onFailure(MOVED), null);
    opened.push(...places);
    const given: Given[] = [request.stdin === null ? open(sandbox?.nullDevice ?? '/dev/null') : 'pipe', 'pipe', 'pipe'];
    // In the order of their numbers.
    if (sandbox) given.push('pipe', request.group === null ? 'ignore' : 'pipe', sandbox.filter === null ? 'ignore' : open(sandbox.filter));
    const numbers = places.map((place) => given.push(place) - 1);
    const [argv0 = request.file, ...args] = withDescriptors(request.argv, sandbox?.places ?? [], numbers);
    const options = { argv0, env: request.env, cwd: request.cwd, detached: true, shell: false, stdio: given };
    return spawn(request.file, args, options);
  } catch (error) {
    // Node throws what it does not turn into an event: a NUL in an element, E2BIG, ENOTDIR.
    events.onFailure(codeOf(error));
    return null;
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/** What a child gets as one of its descriptors. */
type Given = 'pipe' | 'ignore' | number;

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown error';
}

function ignoreBrokenPipe(): void {
  // The end of the child tells all there is to tell.
}
