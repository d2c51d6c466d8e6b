import { openSync, readSync } from 'node:fs';
import { killGroup, killProcess } from './process-group.js';
import { childrenOf, environmentOf } from './process-tree.js';

/** What an orphan keeper needs of the system. */
export interface OrphanSystem {
  /** Makes this process the one that orphaned descendants are given to. Says whether it is. */
  adoptOrphans(): boolean;
  /** Takes leave of a child that has ended; undefined while it lives. */
  reap(pid: number): number | undefined;
}

/** The runs under way, as far as their descendants can be told by them. */
export interface RunsUnderWay {
  /** Whether a process is the program of one of them. */
  isProgram(pid: number): boolean;
  /** Whether an entry of an environment (`TRACEPARENT=…`) is what one of them hands down to everything that it starts. */
  isMark(entry: string): boolean;
}

/**
 * The descendants that a run leaves behind. The kernel gives them to this process (`PR_SET_CHILD_SUBREAPER`), however they forked, renamed
 * themselves or changed their session. Whose they were, their environment tells; one that has cleared its environment to hide is nobody's.
 */
export class Orphans {
  private readonly list = openList();
  private readonly bytes = Buffer.alloc(64 * 1024);

  constructor(private readonly system: OrphanSystem) {}

  /**
   * Kills every orphan that belongs to no run under way.
   * @returns whether any was found alive: killing one may make others
   */
  end(runs: RunsUnderWay): boolean {
    let found = false;
    for (const pid of this.children()) {
      if (runs.isProgram(pid) || this.system.reap(pid) !== undefined || environmentOf(pid).some((entry) => runs.isMark(entry))) continue;
      killGroup(pid, 'SIGKILL');
      killProcess(pid, 'SIGKILL');
      found = true;
    }
    return found;
  }

  /** This is done at the end of every run, so the list stays open. */
  private children(): readonly number[] {
    if (this.list === null) return childrenOf(process.pid);
    const length = readSync(this.list, this.bytes, 0, this.bytes.length, 0);
    const children: number[] = [];
    let pid = 0;
    for (let index = 0; index < length; index++) {
      const digit = this.bytes[index]! - DIGIT_0;
      if (digit >= 0) pid = pid * 10 + digit;
      else {
        children.push(pid);
        pid = 0;
      }
    }
    return children;
  }
}

const DIGIT_0 = 0x30;

/** The kernel's own list of our children; null where it does not keep one. */
function openList(): number | null {
  try {
    return openSync(`/proc/self/task/${process.pid}/children`, 'r');
  } catch {
    return null;
  }
}
