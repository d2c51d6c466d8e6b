import { constants } from 'node:os';
import { bindLibc, OPAQUE_BYTES, type Libc } from './libc.js';
import { blocksSignal, threadsOf } from './process-tree.js';

const PR_SET_DUMPABLE = 4;
const PR_SET_CHILD_SUBREAPER = 36;
const WNOHANG = 1;
const SIG_BLOCK = 0;
/** sched(7): runs when nobody else wants the processor. */
const SCHED_IDLE = 5;

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

  /**
   * Keeps the other threads of this process from being woken for each program that ends. posix_spawn blocks all signals of the thread that calls
   * it, and what is blocked is not ignored: the kernel looks for another thread to take the SIGCHLD, and that one takes a processor from
   * somebody who has something to do. libuv's pool (it must have one thread) is made to block it, too; the others, which have no work
   * in a process with V8's `--single-threaded`, wait until a processor has none either. Changes nothing where there is no /proc.
   */
  async keepThreadsAsleep(): Promise<void> {
    const { libc } = this;
    const { SIGCHLD } = constants.signals;
    const signals = Buffer.alloc(OPAQUE_BYTES);
    libc.sigaddset(signals, SIGCHLD);
    await new Promise<void>((resolve) => libc.pthread_sigmask.async(SIG_BLOCK, signals, null, () => resolve()));
    for (const thread of threadsOf(process.pid))
      if (thread !== process.pid && !blocksSignal(thread, SIGCHLD)) libc.sched_setscheduler(thread, SCHED_IDLE, Buffer.alloc(OPAQUE_BYTES));
  }

  /** Takes leave of a child that has ended: its raw status of wait(2); undefined while it lives. */
  reap(pid: number): number | undefined {
    const status = new Int32Array(1);
    return this.libc.waitpid(pid, status, WNOHANG) === pid ? status[0] : undefined;
  }
}
