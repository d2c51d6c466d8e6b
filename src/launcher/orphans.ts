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

/** A run under way, as far as its descendants can be told by it. */
export interface OrphanOrigin {
  readonly pid: number | undefined;
  /** `TRACEPARENT=…`, as everything that the run starts inherits it. */
  readonly mark: string;
}

/**
 * The descendants that a run leaves behind. The kernel gives them to this process (`PR_SET_CHILD_SUBREAPER`), however they forked, renamed
 * themselves or changed their session. Whose they were, their environment tells; one that has cleared its environment to hide is nobody's.
 */
export class Orphans {
  constructor(private readonly self: Pick<OwnProcess, 'reap'>) {}

  /**
   * Kills every orphan that belongs to no run under way.
   * @returns whether any was found alive: killing one may make others
   */
  end(runs: Iterable<OrphanOrigin>): boolean {
    const known = [...runs];
    let found = false;
    for (const pid of childrenOf(process.pid)) {
      if (known.some((run) => run.pid === pid) || this.self.reap(pid) !== undefined) continue;
      const environment = environmentOf(pid);
      if (known.some(({ mark }) => environment.includes(mark))) continue;
      killGroup(pid, 'SIGKILL');
      killProcess(pid, 'SIGKILL');
      found = true;
    }
    return found;
  }
}
