import { lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Where a program can leave something behind in a sandbox, beside the folders that were declared for that. */
const PRIVATE_FOLDERS = ['/tmp', '/dev/shm', '/dev/mqueue', '/dev/pts'];
/** Objects of System V IPC outlive their makers. */
const IPC_TABLES = ['/proc/sysvipc/shm', '/proc/sysvipc/sem', '/proc/sysvipc/msg'];
/** Nice value, real-time priority and policy in /proc/PID/stat (proc(5)), counted from the state on. */
const SCHEDULING_FIELDS = [16, 37, 38];

/**
 * Makes the sandbox that this process lives in as good as new between two runs: nobody else lives in it, and nothing is left in it.
 * For the one host inside a sandbox of bubblewrap; elsewhere it would end everything there is.
 */
export class SandboxCleaner {
  /** What the private folders hold from the beginning: the ways to declared folders, with their rights. */
  private readonly furniture: ReadonlyMap<string, number>;
  private readonly inheritance: string;

  /** @throws Error outside of a sandbox */
  constructor() {
    if (process.ppid !== 1 || readFileSync('/proc/1/comm', 'utf8').trim() !== 'bwrap') throw new Error('This process is in no sandbox.');
    this.furniture = new Map(PRIVATE_FOLDERS.flatMap((folder) => furnitureOf(folder, deviceOf(folder))));
    this.inheritance = inheritance();
  }

  /** Kills every other process of the sandbox. @returns whether there was one */
  end(): boolean {
    try {
      process.kill(-1, 'SIGKILL');
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
      throw error;
    }
  }

  /** Removes what the last run left. @returns false when something cannot be undone: the sandbox must not be used again */
  tidy(): boolean {
    try {
      const kept = PRIVATE_FOLDERS.map((folder) => this.empty(folder, deviceOf(folder)));
      return kept.reduce((sum, count) => sum + count) === this.furniture.size && isIpcEmpty() && this.inheritance === inheritance();
    } catch {
      return false;
    }
  }

  /**
   * Removes what was not there from the beginning. What is of another file system is a declared folder, and none of our business.
   * @returns how many pieces of furniture are as they were
   */
  private empty(path: string, device: number): number {
    const found = lstatSync(path);
    if (found.dev !== device) return 0;
    const mode = this.furniture.get(path);
    if (mode === undefined) {
      rmSync(path, { recursive: true });
      return 0;
    }
    const inside = found.isDirectory() ? readdirSync(path).map((name) => this.empty(join(path, name), device)) : [];
    return inside.reduce((sum, count) => sum + count, found.mode === mode ? 1 : 0);
  }
}

function furnitureOf(path: string, device: number): [string, number][] {
  const found = lstatSync(path);
  if (found.dev !== device) return [];
  const inside = found.isDirectory() ? readdirSync(path).flatMap((name) => furnitureOf(join(path, name), device)) : [];
  return [[path, found.mode], ...inside];
}

function deviceOf(path: string): number {
  return lstatSync(path).dev;
}

function isIpcEmpty(): boolean {
  return IPC_TABLES.every((table) => readFileSync(table, 'latin1').trim().split('\n').length <= 1);
}

/** What programs inherit of this process, and a program with the same user may change in it: limits, priority, processors. */
function inheritance(): string {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const processors = /^Cpus_allowed:.*$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[0];
  return [readFileSync('/proc/self/limits', 'latin1'), processors, ...SCHEDULING_FIELDS.map((index) => fields[index])].join('\n');
}
