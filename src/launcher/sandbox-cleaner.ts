import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Where a program can leave files behind in a sandbox, beside the folders that were declared for that. */
const PRIVATE_FOLDERS = ['/tmp', '/dev/shm'];
/** Objects of System V IPC outlive their makers. */
const IPC_TABLES = ['/proc/sysvipc/shm', '/proc/sysvipc/sem', '/proc/sysvipc/msg'];

/**
 * Makes the sandbox that this process lives in as good as new between two runs: nobody else lives in it, and nothing is left in it.
 * For the one host inside a sandbox of bubblewrap; elsewhere it would end everything there is.
 */
export class SandboxCleaner {
  /** @throws Error outside of a sandbox */
  constructor() {
    if (process.ppid !== 1 || readFileSync('/proc/1/comm', 'utf8').trim() !== 'bwrap') throw new Error('This process is in no sandbox.');
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

  /** Removes what the last run left. @returns false when something cannot be removed: the sandbox must not be used again */
  tidy(): boolean {
    try {
      for (const folder of PRIVATE_FOLDERS)
        for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
      return IPC_TABLES.every((table) => readFileSync(table, 'latin1').trim().split('\n').length <= 1);
    } catch {
      return false;
    }
  }
}
