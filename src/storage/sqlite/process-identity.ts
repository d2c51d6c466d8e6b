import { readFileSync } from 'node:fs';

/**
 * Names this process so that it is not taken for a later one of the same number: `boot:pid:start` on Linux (start in clock
 * ticks since boot), elsewhere the number alone.
 */
export function processIdentity(): string {
  return identityOf(process.pid) ?? String(process.pid);
}

/** Whether the process of that identity still lives, as far as this host can see. */
export function isAlive(identity: string): boolean {
  const pid = Number(identity.split(':').at(-2) ?? identity);
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  return identity.includes(':') ? identityOf(pid) === identity : answersSignals(pid);
}

/** Undefined where there is no `/proc`, or no such process, or only what is left of one that ended (a zombie). */
function identityOf(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // proc_pid_stat(5): the name (field 2) may hold anything, parentheses too; fields after it are plain.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : `${boot}:${pid}:${fields[18]}`;
  } catch {
    return undefined;
  }
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
