import { bindLibc, type Libc } from './libc.js';

const PR_SET_DUMPABLE = 4;
const PR_SET_CHILD_SUBREAPER = 36;
const WNOHANG = 1;

/** What the kernel is asked to do for this process. */
export class OwnProcess {
  readonly libc: Libc;

  /** @throws Error where the C library cannot be called */
  constructor() {
    this.libc = bindLibc();
  }

  /** Makes this process the one that orphaned descendants are given to. Says whether it is. */
  adoptOrphans(): boolean {
    return this.libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) === 0;
  }

  /**
   * Keeps other processes of the same user from looking into this one (its environment, its memory, its descriptors) or steering it,
   * and its memory out of core files. Root is not kept out. Says whether it is done.
   */
  hide(): boolean {
    return this.libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) === 0;
  }

  /** Takes leave of a child that has ended: its raw status of wait(2); undefined while it lives. */
  reap(pid: number): number | undefined {
    const status = new Int32Array(1);
    return this.libc.waitpid(pid, status, WNOHANG) === pid ? status[0] : undefined;
  }
}
