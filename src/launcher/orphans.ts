import { killGroup, killProcess } from './process-group.js';
import { childrenOf, environmentOf } from './process-tree.js';

/** What an orphan keeper needs of the system. */
export interface OrphanSystem {
  /** Makes this process the one that orphaned descendants are given to. Says whether it is. */
  adoptOrphans(): boolean;
  /** Takes leave of a child that has ended; undefined while it lives. */
  reap(pid: number): number | undefined;
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
  constructor(private readonly system: OrphanSystem) {}

  /**
   * Kills every orphan that belongs to no run under way.
   * @returns whether any was found alive: killing one may make others
   */
  end(runs: Iterable<OrphanOrigin>): boolean {
    const known = [...runs];
    let found = false;
    for (const pid of childrenOf(process.pid)) {
      if (known.some((run) => run.pid === pid) || this.system.reap(pid) !== undefined) continue;
      const environment = environmentOf(pid);
      if (known.some(({ mark }) => environment.includes(mark))) continue;
      killGroup(pid, 'SIGKILL');
      killProcess(pid, 'SIGKILL');
      found = true;
    }
    return found;
  }
}
