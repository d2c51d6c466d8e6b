import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wherePermitted } from './where.js';

export const withSmallDisk = wherePermitted(canMount(), 'a tmpfs may not be mounted here');

function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  return spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()]).status === 0;
}

/** A disk of its own under a folder, that tests fill and empty. */
export class SmallDisk {
  /** @param options of tmpfs: `size=32m,nr_inodes=100` */
  constructor(
    readonly folder: string,
    options: string,
  ) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `mode=700,${options}`, 'tmpfs', folder], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`no tmpfs: ${stderr}`);
  }

  /** Leaves no byte free. */
  fill(): void {
    const { bavail, bsize } = statfsSync(this.folder);
    if (bavail > 0) writeFileSync(this.ballast, Buffer.alloc(bavail * bsize, 1), { flag: 'a' });
  }

  /** Leaves no inode free. */
  fillInodes(): void {
    for (let count = statfsSync(this.folder).ffree; count > 0; count -= 1) writeFileSync(`${this.ballast}-${count}`, '');
  }

  empty(): void {
    if (existsSync(this.ballast)) rmSync(this.ballast);
  }

  unmount(): void {
    spawnSync('umount', ['--lazy', this.folder]);
  }

  private get ballast(): string {
    return join(this.folder, 'ballast');
  }
}
