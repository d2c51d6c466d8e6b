import { existsSync } from 'node:fs';
import { mkdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ControlGroupPlan } from './host-protocol.js';

/** A group that still has dying members cannot be removed: it is tried again. */
const RETRY_MS = 100;
const RETRIES = 50;

const JOIN = 'until [ "$1" = -- ]; do echo 0 > "$1/cgroup.procs" || exit 126; shift; done; shift; exec "$@"';

/**
 * The control group of one sandbox: what its members use together is bounded. Nothing here is quick, and nothing blocks: the kernel
 * waits for all processors before a process changes its group (some 10 ms).
 */
export class ControlGroup {
  private constructor(private readonly folders: readonly string[]) {}

  /** Rejects with the system's error when it cannot be made as planned; nothing is left then. */
  static async create({ parents, settings }: ControlGroupPlan, name: string): Promise<ControlGroup> {
    const group = new ControlGroup(parents.map((parent) => join(parent, name)));
    try {
      for (const folder of group.folders) await mkdir(folder);
      for (const [file, content] of Object.entries(settings)) await group.write(file, content);
      return group;
    } catch (error) {
      await group.remove();
      throw error;
    }
  }

  /** The start of a program by one that has joined the group before it becomes that program. */
  joined(argv: readonly string[]): readonly [string, ...string[]] {
    return ['/bin/sh', '-c', JOIN, 'sh', ...this.folders, '--', ...argv];
  }

  /** Rejects with the system's error. */
  async add(pid: number): Promise<void> {
    await this.write('cgroup.procs', String(pid));
  }

  /** Removes it once its members are gone. Never rejects: what stays is removed at the next start of a gateway. */
  async remove(): Promise<void> {
    let folders = this.folders;
    for (let left = RETRIES; left > 0; left--) {
      const gone = await Promise.all(folders.map(tryToRemove));
      folders = folders.filter((_folder, index) => !gone[index]);
      if (folders.length === 0) return;
      await delay(RETRY_MS, undefined, { ref: false });
    }
  }

  private async write(file: string, content: string): Promise<void> {
    for (const folder of this.folders) {
      const path = join(folder, file);
      if (existsSync(path)) await writeFile(path, content);
    }
  }
}

/** Whether it is gone. */
async function tryToRemove(folder: string): Promise<boolean> {
  try {
    await rmdir(folder);
    return true;
  } catch {
    return !existsSync(folder);
  }
}
