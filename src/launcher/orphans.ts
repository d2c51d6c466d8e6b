import { openSync, readSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { OwnProcess } from './own-process.js';
import { killGroup, killProcess } from './process-group.js';
import { childrenOf, environmentOf } from './process-tree.js';

/** Killing orphans makes others: looks at what is left, and the time between two. */
export const ORPHAN_LOOKS = 100;
export const ORPHAN_LOOK_MS = 2;

/** Looks until nothing is found any more. @returns whether something still was when it gave up */
export async function endAll(end: () => boolean): Promise<boolean> {
  let found = true;
  for (let look = 0; look < ORPHAN_LOOKS && (found = end()); look++) await delay(ORPHAN_LOOK_MS);
  return found;
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

  constructor(private readonly self: Pick<OwnProcess, 'reap'>) {}

  /**
   * Kills every orphan that belongs to no run under way.
   * @returns whether any was found alive: killing one may make others
   */
  end(runs: RunsUnderWay): boolean {
    let found = false;
    for (const pid of this.children()) {
      if (runs.isProgram(pid) || this.self.reap(pid) !== undefined || environmentOf(pid).some((entry) => runs.isMark(entry))) continue;
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
