import { fork, type ChildProcess } from 'node:child_process';
import type { ExecutionEnd } from '../domain/executor.js';
import type { OutputStream } from '../domain/run.js';
import { killGroup } from './launcher-group.js';
import { killUnreported } from './launcher-orphans.js';
import {
  WITHOUT_FFI,
  type HostCommand,
  type HostReport,
  type KillSignal,
  type LaunchRequest,
  type SpawnMechanism,
} from './launcher-protocol.js';

/**
 * Flags of the host's Node. Its page tables are copied at every start, so it is kept small: after thousands of starts these
 * keep 11 MB of private memory where the defaults grow to 40, at the same rate. SIGUSR1 would open a debugger in it.
 */
const NODE_FLAGS = ['--max-semi-space-size=1', '--lite-mode', '--disable-sigusr1'];

/** How long a host that lost its channel may take to end by itself. */
const END_GRACE_MS = 2_000;

export interface LaunchHandlers {
  /** Raw bytes in the order they were read. They share memory with other output: use them at once or copy them. */
  onOutput(stream: OutputStream, data: Buffer): void;
  onTruncated(): void;
  /** Exactly once, last. */
  onEnd(end: ExecutionEnd): void;
}

interface HostedRun {
  readonly handlers: LaunchHandlers;
  readonly env: LaunchRequest['env'];
  pid: number | null;
}

/**
 * The gateway's side of one executor host process: its channel and the runs it holds. It may be given runs as soon as it is open.
 * When the process is gone, for whatever reason, the runs it held are killed by group and end.
 */
export class ExecutorHost {
  private readonly runs = new Map<number, HostedRun>();
  private readonly whenReady = Promise.withResolvers<boolean>();
  private readonly whenGone = Promise.withResolvers<number>();
  private batch: HostCommand[] = [];
  private wasReady = false;
  private reported: SpawnMechanism | undefined;

  private constructor(private readonly child: ChildProcess) {
    child.on('message', (reports) => (reports as readonly HostReport[]).forEach((report) => this.take(report)));
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
  static open({ ffi = true }: { readonly ffi?: boolean | undefined } = {}): ExecutorHost {
    return new ExecutorHost(
      fork(new URL('./launcher-host.js', import.meta.url), ffi ? [] : [WITHOUT_FFI], {
        env: {},
        cwd: '/',
        execArgv: NODE_FLAGS,
        serialization: 'advanced',
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      }),
    );
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Whether runs given to it now have a chance. */
  get alive(): boolean {
    return this.child.connected && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** How it starts programs; undefined until it is ready. */
  get mechanism(): SpawnMechanism | undefined {
    return this.reported;
  }

  /** Runs it holds. */
  get load(): number {
    return this.runs.size;
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
  start(id: number, request: LaunchRequest, handlers: LaunchHandlers): void {
    this.runs.set(id, { handlers, env: request.env, pid: null });
    this.post({ kind: 'start', id, ...request });
  }

  /** Does nothing when the run has ended. */
  kill(id: number, signal: KillSignal): void {
    if (this.runs.has(id)) this.post({ kind: 'kill', id, signal });
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
      this.reported = report.mechanism;
      return this.whenReady.resolve(true);
    }
    const run = this.runs.get(report.id);
    if (!run) return;
    switch (report.kind) {
      case 'started':
        run.pid = report.pid;
        return;
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

  private end(id: number, run: HostedRun, end: ExecutionEnd): void {
    this.runs.delete(id);
    run.handlers.onEnd(end);
  }

  private endIfGone(): void {
    const { pid, exitCode, signalCode, connected } = this.child;
    if (pid !== undefined && (connected || (exitCode === null && signalCode === null))) return;
    const held = this.runs.size;
    const unreported = new Set<string>();
    for (const [id, run] of this.runs) {
      if (run.pid !== null) killGroup(run.pid, 'SIGKILL');
      else if (run.env['TRACEPARENT']) unreported.add(`TRACEPARENT=${run.env['TRACEPARENT']}`);
      this.end(id, run, this.wasReady ? { kind: 'lost' } : { kind: 'failed_to_start', reason: 'the executor could not be started' });
    }
    killUnreported(unreported);
    this.whenReady.resolve(false);
    this.whenGone.resolve(held);
  }
}
