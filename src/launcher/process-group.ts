import type { KillSignal } from '../domain/launcher.js';

/**
 * Signals every process of the group that `leader` leads. A group that is gone (ESRCH), or one that changed its user so that
 * it is out of our reach (EPERM), is left as it is: there is nothing more to do to either.
 * The number of a group is not given to a new process while a member lives; after the last one only a wrap of the kernel's
 * counter brings it back, so signal a group no later than right after its end.
 */
export function killGroup(leader: number, signal: KillSignal): void {
  send(-leader, signal);
}

/** The same for one process. */
export function killProcess(pid: number, signal: KillSignal): void {
  send(pid, signal);
}

function send(target: number, signal: KillSignal): void {
  // 1 is not ours to kill; -1 and 0 would mean everybody, and ourselves.
  if (!Number.isSafeInteger(target) || Math.abs(target) <= 1) return;
  try {
    process.kill(target, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}
