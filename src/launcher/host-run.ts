import { accessSync, constants } from 'node:fs';
import { constants as system } from 'node:os';
import { ENDED_BEFORE_START } from '../domain/executor.js';
import type { KillSignal } from '../domain/launcher.js';
import { ControlGroup } from './control-group.js';
import type { ControlGroupPlan, HostLaunch, HostReport, StartCommand } from './host-protocol.js';
import type { Child, ChildEvents, ChildStream, SpawnChild } from './node-spawn.js';
import { MOVED } from './open-places.js';
import type { Outbox } from './outbox.js';
import { killGroup, killProcess } from './process-group.js';
import { descendantsOf } from './process-tree.js';
import { SandboxStatus } from './sandbox-status.js';

/** How long others may hold the pipes after the program itself has ended: time to write what is on its way. */
const LINGER_MS = 100;
/** How long the pipes may stay open after KILL: time to read what was written before it. */
const PIPES_AFTER_KILL_MS = 250;

/** What a run needs of its host. */
export interface RunSurroundings {
  readonly spawnChild: SpawnChild;
  readonly outbox: Outbox;
  /** Whether {@link endOrphans} finds everything that a run leaves behind. */
  readonly adopts: boolean;
  /** Ends what left the run's group. Resolves when nothing of it is left, as far as this host can tell. */
  endOrphans(): Promise<void>;
  /** Called once, after the last report. */
  onGone(): void;
}

/** One run inside the host, from spawn to the end of everything that it started. */
export class HostRun implements ChildEvents {
  /** What its descendants inherit, and nobody else has. */
  readonly mark: string;
  private child: Child | null = null;
  private group: ControlGroup | null = null;
  private readonly status: SandboxStatus | null;
  private allowance: number;
  private truncated = false;
  private over = false;
  private failure: string | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly command: StartCommand,
    private readonly surroundings: RunSurroundings,
  ) {
    this.allowance = command.outputBytes;
    this.mark = `TRACEPARENT=${command.env['TRACEPARENT'] ?? ''}`;
    this.status = command.sandbox ? new SandboxStatus((pid) => this.enter(pid)) : null;
  }

  /** Undefined before its start and after its end. */
  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Whether what is left of it has no claim to live. */
  get isOver(): boolean {
    return this.over;
  }

  start(): void {
    if (this.command.group) void this.startInGroup(this.command.group);
    else this.spawn(this.command);
  }

  kill(signal: KillSignal): void {
    if (!this.child) {
      // Its group is being made, which may take long where many are: nobody waits for that.
      if (!this.over) this.fail(ENDED_BEFORE_START.reason);
      return;
    }
    // What holds the sandbox would die at TERM and take the program along before that has had its time.
    if (this.command.sandbox && signal === 'SIGTERM') return this.terminateInside(this.child.pid);
    killGroup(this.child.pid, signal);
    if (signal === 'SIGKILL') this.abandonPipesSoon();
  }

  /** A piece of its stdin; null is the end. */
  feed(data: Uint8Array | null): void {
    this.child?.feed(data, () => this.surroundings.outbox.push({ kind: 'taken', id: this.command.id }));
  }

  /** Reads on after the outbox was full. */
  resume(): void {
    this.child?.resume();
  }

  onOutput(stream: ChildStream, data: Buffer): void {
    if (stream === 'status') return this.status?.take(data);
    const { outbox } = this.surroundings;
    const { id } = this.command;
    const taken = Math.min(data.length, this.allowance);
    this.allowance -= taken;
    if (taken > 0) {
      outbox.push({ kind: 'output', id, stream, data: Buffer.from(data.subarray(0, taken)) });
      if (outbox.full) this.child?.pause();
    }
    if (taken < data.length && !this.truncated) {
      this.truncated = true;
      outbox.push({ kind: 'truncated', id });
    }
  }

  /** Whoever holds the pipes now was left behind by the program. */
  onExit(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.over = true;
      this.kill('SIGKILL');
      void this.surroundings.endOrphans();
    }, LINGER_MS);
  }

  onEnd(code: number | null, signal: NodeJS.Signals | null): void {
    clearTimeout(this.timer);
    if (this.child && !this.surroundings.adopts) killGroup(this.child.pid, 'SIGKILL');
    this.child = null;
    const { id } = this.command;
    if (this.failure !== undefined) this.fail(this.failure);
    else if (this.status && !this.status.programRan && !signal) this.fail('the sandbox could not be set up');
    else if (signal) this.end({ kind: 'exited', id, code: 128 + system.signals[signal], signal });
    else this.end({ kind: 'exited', id, code: code ?? 0, ...this.status?.signalOf(code ?? 0) });
  }

  onFailure(code: string): void {
    if (code === MOVED) return this.fail(MOVED);
    const what = canEnter(this.command.cwd) ? 'the program could not be started' : 'the working folder cannot be entered';
    this.fail(`${what} (${code})`);
  }

  private async startInGroup(plan: ControlGroupPlan): Promise<void> {
    let group: ControlGroup;
    try {
      group = await ControlGroup.create(plan, `${process.pid}-${this.command.id}`);
    } catch (error) {
      if (!this.over) this.fail(`the control group could not be made (${(error as NodeJS.ErrnoException).code})`);
      return;
    }
    if (this.over) return group.remove();
    this.group = group;
    // What is in a sandbox waits for it to be put into the group; what is in none goes there itself.
    this.spawn(this.command.sandbox ? this.command : joining(group, this.command));
  }

  private spawn(launch: HostLaunch): void {
    this.child = this.surroundings.spawnChild(launch, this);
    if (!this.child) return;
    this.surroundings.outbox.push({ kind: 'started', id: this.command.id, pid: this.child.pid });
  }

  /** The sandbox stands, and waits: nothing runs in it before it is in its control group. */
  private enter(pid: number): void {
    this.group?.add(pid).then(
      () => this.child?.openGate(),
      () => {
        // Without its bounds it must not run: bubblewrap is ended before it has started the program.
        this.failure = 'the sandbox could not be put into its control group';
        this.kill('SIGKILL');
      },
    );
  }

  /** Everything inside but the two processes that hold the sandbox. */
  private terminateInside(holder: number): void {
    const [, ...inside] = descendantsOf(holder);
    for (const pid of inside) killProcess(pid, 'SIGTERM');
  }

  private abandonPipesSoon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.child?.abandonPipes(), PIPES_AFTER_KILL_MS);
  }

  private fail(reason: string): void {
    this.end({ kind: 'failed', id: this.command.id, reason });
  }

  private end(report: HostReport): void {
    this.over = true;
    void this.group?.remove();
    void this.tell(report);
  }

  /** The end is told when nothing is left of the run. */
  private async tell(report: HostReport): Promise<void> {
    await this.surroundings.endOrphans();
    this.surroundings.outbox.push(report);
    this.surroundings.onGone();
  }
}

function joining(group: ControlGroup, { file, argv, ...rest }: HostLaunch): HostLaunch {
  const [shell, ...given] = group.joined([file, ...argv.slice(1)]);
  return { ...rest, file: shell, argv: [shell, ...given] };
}

/** A bad working folder fails with the same code as a missing program; this tells them apart. */
function canEnter(folder: string): boolean {
  try {
    accessSync(`${folder}/.`, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
