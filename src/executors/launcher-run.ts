import { accessSync, constants } from 'node:fs';
import { constants as system } from 'node:os';
import type { OutputStream } from '../domain/run.js';
import { killGroup } from './launcher-group.js';
import type { Outbox } from './launcher-outbox.js';
import type { KillSignal, StartCommand } from './launcher-protocol.js';
import type { Child, ChildEvents, SpawnChild } from './launcher-spawn.js';

/** How long the pipes may stay open after KILL: time to read what was written before it. */
const PIPES_AFTER_KILL_MS = 250;

/**
 * One run inside the host, from spawn to the end of its group.
 *
 * A process group is not a cage: a descendant that calls setsid(2) leaves it and no signal of ours finds it. When such a one
 * holds a pipe, the run ends all the same a moment after KILL; the descendant itself stays alive.
 */
export class HostRun implements ChildEvents {
  private child: Child | null = null;
  private allowance: number;
  private truncated = false;
  private abandoning: NodeJS.Timeout | undefined;

  /** `onGone` is called once, after the last report. */
  constructor(
    private readonly command: StartCommand,
    private readonly spawnChild: SpawnChild,
    private readonly outbox: Outbox,
    private readonly onGone: () => void,
  ) {
    this.allowance = command.outputBytes;
  }

  start(): void {
    this.child = this.spawnChild(this.command, this);
    if (this.child) this.outbox.push({ kind: 'started', id: this.command.id, pid: this.child.pid });
  }

  kill(signal: KillSignal): void {
    if (!this.child) return;
    killGroup(this.child.pid, signal);
    if (signal === 'SIGKILL') this.abandoning ??= setTimeout(() => this.child?.abandonPipes(), PIPES_AFTER_KILL_MS);
  }

  /** Reads on after the outbox was full. */
  resume(): void {
    this.child?.resume();
  }

  onOutput(stream: OutputStream, data: Buffer): void {
    const { id } = this.command;
    const taken = Math.min(data.length, this.allowance);
    this.allowance -= taken;
    if (taken > 0) {
      this.outbox.push({ kind: 'output', id, stream, data: data.subarray(0, taken) });
      if (this.outbox.full) this.child?.pause();
    }
    if (taken < data.length && !this.truncated) {
      this.truncated = true;
      this.outbox.push({ kind: 'truncated', id });
    }
  }

  onEnd(code: number | null, signal: NodeJS.Signals | null): void {
    clearTimeout(this.abandoning);
    // Whoever is left in the group has closed its pipes and is waited for by nobody.
    if (this.child) killGroup(this.child.pid, 'SIGKILL');
    const { id } = this.command;
    if (signal) this.outbox.push({ kind: 'exited', id, code: 128 + system.signals[signal], signal });
    else this.outbox.push({ kind: 'exited', id, code: code ?? 0 });
    this.onGone();
  }

  onFailure(code: string): void {
    const what = canEnter(this.command.cwd) ? 'the program could not be started' : 'the working folder cannot be entered';
    this.outbox.push({ kind: 'failed', id: this.command.id, reason: `${what} (${code})` });
    this.onGone();
  }
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
