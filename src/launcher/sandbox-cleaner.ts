import { lstatSync, openSync, readdirSync, readFileSync, readSync, rmSync } from 'node:fs';
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
  private readonly inheritance = new Inheritance();
  private readonly inherited: string;
  private readonly tables = IPC_TABLES.map((table) => new KernelFile(table));

  /** @throws Error outside of a sandbox */
  constructor() {
    if (process.ppid !== 1 || readFileSync('/proc/1/comm', 'utf8').trim() !== 'bwrap') throw new Error('This process is in no sandbox.');
    this.furniture = new Map(PRIVATE_FOLDERS.flatMap((folder) => furnitureOf(folder, deviceOf(folder))));
    this.inherited = this.inheritance.read();
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
      return (
        kept.reduce((sum, count) => sum + count) === this.furniture.size &&
        this.tables.every(isEmptyTable) &&
        this.inherited === this.inheritance.read()
      );
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

/** A file of the kernel that is read after every run: it stays open. */
class KernelFile {
  private static readonly bytes = Buffer.alloc(64 * 1024);
  private readonly descriptor: number;

  constructor(path: string) {
    this.descriptor = openSync(path, 'r');
  }

  /** As it is now. */
  read(): string {
    return KernelFile.bytes.toString('latin1', 0, readSync(this.descriptor, KernelFile.bytes, 0, KernelFile.bytes.length, 0));
  }
}

/** What programs inherit of this process, and a program with the same user may change in it: limits, priority, processors. */
class Inheritance {
  private readonly limits = new KernelFile('/proc/self/limits');
  private readonly stat = new KernelFile('/proc/self/stat');
  private readonly status = new KernelFile('/proc/self/status');

  read(): string {
    const stat = this.stat.read();
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const processors = /^Cpus_allowed:.*$/m.exec(this.status.read())?.[0];
    return [this.limits.read(), processors, ...SCHEDULING_FIELDS.map((index) => fields[index])].join('\n');
  }
}

/** The heading alone. */
function isEmptyTable(table: KernelFile): boolean {
  const text = table.read();
  return text.indexOf('\n') === text.length - 1;
}
