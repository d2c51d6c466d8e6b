import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ExecutionEnd } from '../domain/executor.js';
import type { KillSignal, LaunchHandlers } from '../domain/launcher.js';
import { PassingMap } from '../domain/passing-map.js';
import type { HostCommand, HostLaunch, HostReport, PlannedLaunch, SharedSandbox } from './host-protocol.js';
import { FILTER_FD } from './bubblewrap.js';
import { openPlaces, withDescriptors } from './open-places.js';
import { killLeftBehind } from './left-behind.js';
import { killGroup } from './process-group.js';

/**
 * Flags of the host's Node, to keep it small: after thousands of starts 15 MB of private memory, where the defaults make 23. Without the
 * compiler (`--lite-mode`) it would be 13, at twice the time for each start. SIGUSR1 would open a debugger in it. Nothing that belongs to
 * a run is to become old (ADR 0045).
 */
const NODE_FLAGS = [
  '--max-semi-space-size=1',
  '--single-threaded',
  '--v8-pool-size=0',
  '--disable-sigusr1',
  '--no-allocation-site-pretenuring',
];
const SPAWN_OPTIONS = { env: {}, cwd: '/', serialization: 'advanced' } as const;
/** One thread for what a host asks of the disk (see `OwnProcess.keepThreadsAsleep`). */
const ONE_THREAD = { UV_THREADPOOL_SIZE: '1' };
/** The channel is descriptor 3. */
const STDIO: ['ignore', 'ignore', 'inherit', 'ipc'] = ['ignore', 'ignore', 'inherit', 'ipc'];
const HOST_ARGV = [process.execPath, ...NODE_FLAGS, fileURLToPath(new URL('./host.js', import.meta.url))];

/** How long a host that lost its channel may take to end by itself. */
const END_GRACE_MS = 2_000;

/** How long a run may take to end after KILL. Longer, and its host is stopped, or past help: it is ended with all that it holds. */
const KILLED_WITHIN_MS = 10_000;
/** In a sandbox, where a program may stop the host and all there is to lose is the run. */
const KILLED_IN_SANDBOX_WITHIN_MS = 2_000;

/** What a host has told of itself. */
export type HostMeans = Omit<Extract<HostReport, { kind: 'ready' }>, 'kind'>;

/** A host that was given a program and has told of nothing for so long is held up, by a disk that does not answer for one. */
const BEHIND_AFTER_MS = 500;

/** Bytes of a fed stdin that travel in one message. */
const PIECE_BYTES = 64 * 1024;

interface HostedRun {
  readonly handlers: LaunchHandlers;
  /** What its stdin is fed from once it has started. */
  readonly source: AsyncIterable<Uint8Array> | null;
  /** The host can take the next piece. */
  onTaken?: () => void;
  readonly env: HostLaunch['env'];
  readonly givenAt: number;
  pid: number | null;
  /** Running once it was killed. */
  patience: NodeJS.Timeout | undefined;
}

/**
 * The gateway's side of one executor host process: its channel and the runs it holds. It may be given runs as soon as it is open.
 * When the process is gone, for whatever reason, the runs it held are killed by group and end.
 */
export class ExecutorHost {
  private readonly runs = new PassingMap<number, HostedRun>();
  private readonly whenReady = Promise.withResolvers<boolean>();
  private readonly whenGone = Promise.withResolvers<number>();
  private batch: HostCommand[] = [];
  private wasReady = false;
  private isSpent = false;
  private heardAt = 0;
  private reported: HostMeans | undefined;

  private constructor(
    private readonly child: ChildProcess,
    private readonly isInSandbox: boolean,
  ) {
    child.on('message', (reports) => {
      this.heardAt = performance.now();
      (reports as readonly HostReport[]).forEach((report) => this.take(report));
    });
    child.on('exit', () => this.endIfGone());
    // Comes after the last message, which 'exit' need not.
    child.on('disconnect', () => this.endIfGone());
    // Without a pid the process could not be made; with one, the channel broke, and 'disconnect' follows.
    child.on('error', () => this.endIfGone());
  }

  /**
   * Makes the process: with nothing of the gateway's environment, because what it starts could read it there.
   * @throws the system's error for what Node does not report later as an early end (ENOMEM)
   */
  static open(args: readonly string[] = []): ExecutorHost {
    const [file = '', ...rest] = [...HOST_ARGV, ...args];
    return new ExecutorHost(spawn(file, rest, { ...SPAWN_OPTIONS, env: ONE_THREAD, stdio: STDIO }), false);
  }

  /** The same inside a sandbox; `pid` is then the one that holds it. @throws like {@link open}, and Error when a folder was moved */
  static openIn({ argv, filter, places }: SharedSandbox, args: readonly string[]): ExecutorHost {
    const opened = openPlaces(places);
    if (opened === null) throw new Error('A folder of the sandbox is not what it was.');
    const descriptors = [...(filter === null ? [] : [openSync(filter, 'r')]), ...opened];
    const given = [...STDIO, 'ignore' as const, filter === null ? ('ignore' as const) : descriptors[0], ...opened];
    const numbers = opened.map((_, index) => FILTER_FD + 1 + index);
    const [file = '', ...rest] = [...withDescriptors(argv, places, numbers), ...HOST_ARGV, ...args];
    try {
      // A session of its own: a terminal's Ctrl-C is for the gateway alone, and would end the sandbox.
      return new ExecutorHost(spawn(file, rest, { ...SPAWN_OPTIONS, detached: true, stdio: given }), true);
    } finally {
      for (const descriptor of descriptors) closeSync(descriptor);
    }
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Whether runs given to it now have a chance. */
  get alive(): boolean {
    return !this.isSpent && this.child.connected && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** What it works with; undefined until it is ready. */
  get means(): HostMeans | undefined {
    return this.reported;
  }

  /** Runs it holds. */
  get load(): number {
    return this.runs.size;
  }

  /** Whether it has programs to start, and does not come to it. */
  get isBehind(): boolean {
    const longAgo = performance.now() - BEHIND_AFTER_MS;
    return this.heardAt < longAgo && this.runs.some(({ pid, givenAt }) => pid === null && givenAt < longAgo);
  }

  /** Whether the process came up: false when it was gone before it said so. */
  get ready(): Promise<boolean> {
    return this.whenReady.promise;
  }

  /** Resolves when the process is gone and all its runs have ended, to the number of those that it took along. */
  get gone(): Promise<number> {
    return this.whenGone.promise;
  }

  /** What is started and killed in one turn of the event loop travels as one message. */
  start(id: number, { stdin, ...launch }: PlannedLaunch, handlers: LaunchHandlers): void {
    const source = typeof stdin === 'object' ? stdin : null;
    this.runs.set(id, { handlers, source, env: launch.env, givenAt: performance.now(), pid: null, patience: undefined });
    this.post({ kind: 'start', id, ...launch, stdin: typeof stdin === 'object' && stdin !== null ? { fed: true } : stdin });
  }

  /** Does nothing when the run has ended. */
  kill(id: number, signal: KillSignal): void {
    const run = this.runs.get(id);
    if (!run) return;
    this.post({ kind: 'kill', id, signal });
    if (signal === 'SIGKILL')
      run.patience ??= setTimeout(() => this.child.kill('SIGKILL'), this.isInSandbox ? KILLED_IN_SANDBOX_WITHIN_MS : KILLED_WITHIN_MS);
  }

  /** Ends the process and everything it started. Resolves when that is done. */
  async close(): Promise<void> {
    if (this.child.connected) this.child.disconnect();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), END_GRACE_MS);
    await this.gone;
    clearTimeout(timer);
  }

  private post(command: HostCommand): void {
    if (this.batch.length === 0) setImmediate(() => this.flush());
    this.batch.push(command);
  }

  private flush(): void {
    const { batch } = this;
    this.batch = [];
    // A failure here means the channel is closed; the runs end when the process is seen to be gone.
    this.child.send(batch, () => undefined);
  }

  private take(report: HostReport): void {
    if (report.kind === 'ready') {
      this.wasReady = true;
      this.reported = report;
      return this.whenReady.resolve(true);
    }
    if (report.kind === 'spent') {
      this.isSpent = true;
      return;
    }
    const run = this.runs.get(report.id);
    if (!run) return;
    switch (report.kind) {
      case 'started':
        run.pid = report.pid;
        // Inside of a sandbox numbers mean other processes.
        if (!this.isInSandbox) run.handlers.onStarted?.(report.pid);
        if (run.source) void this.feed(report.id, run, run.source);
        return;
      case 'taken':
        return run.onTaken?.();
      case 'output':
        return run.handlers.onOutput(report.stream, report.data);
      case 'truncated':
        return run.handlers.onTruncated();
      case 'exited':
        return this.end(report.id, run, { kind: 'exited', code: report.code, ...(report.signal ? { signal: report.signal } : {}) });
      case 'failed':
        return this.end(report.id, run, { kind: 'failed_to_start', reason: report.reason });
    }
  }

  /** Never rejects: a source that fails ends the run. */
  private async feed(id: number, run: HostedRun, source: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const data of source) {
        for (let start = 0; start < data.length && this.runs.has(id); start += PIECE_BYTES) {
          await new Promise<void>((resolve) => {
            run.onTaken = resolve;
            this.post({ kind: 'input', id, data: data.subarray(start, start + PIECE_BYTES) });
          });
        }
        if (!this.runs.has(id)) return;
      }
      this.post({ kind: 'input', id, data: null });
    } catch {
      this.kill(id, 'SIGKILL');
    }
  }

  private end(id: number, run: HostedRun, end: ExecutionEnd): void {
    this.runs.delete(id);
    clearTimeout(run.patience);
    run.onTaken?.();
    run.handlers.onEnd(end);
  }

  private endIfGone(): void {
    const { pid, exitCode, signalCode, connected } = this.child;
    if (pid !== undefined && (connected || (exitCode === null && signalCode === null))) return;
    const held = this.runs.size;
    const marks = new Set<string>();
    for (const [id, run] of this.runs) {
      // Its end was the end of all that were in it.
      if (run.pid !== null && !this.isInSandbox) killGroup(run.pid, 'SIGKILL');
      if (run.env['TRACEPARENT']) marks.add(`TRACEPARENT=${run.env['TRACEPARENT']}`);
      this.end(id, run, this.wasReady ? { kind: 'lost' } : { kind: 'failed_to_start', reason: 'the executor could not be started' });
    }
    killLeftBehind(marks);
    this.whenReady.resolve(false);
    this.whenGone.resolve(held);
  }
}
