import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What bubblewrap shows of /dev, beside terminals of the sandbox's own. */
export const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'] as const;
const NOBODY = 65_534;

/**
 * Device files for the sandboxes of a gateway that is root: the host's belong to root, so that a program with root's number could take
 * everybody's /dev/null away. These belong to nobody, and are ours to lose.
 */
export class OwnDevices {
  /** @param folder made when there is none; what is in it goes */
  constructor(readonly folder: string) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** argv of the program that makes them. Node has no call for it. */
  get argv(): readonly [string, ...string[]] {
    return ['/bin/cp', '-a', ...DEVICES.map((name) => `/dev/${name}`), this.folder];
  }

  /** To be called once they are there. @returns whether they work: not in a file system that is mounted without devices */
  giveAway(): boolean {
    try {
      for (const name of DEVICES) {
        const path = join(this.folder, name);
        chmodSync(path, 0o666);
        chownSync(path, NOBODY, NOBODY);
      }
      writeFileSync(join(this.folder, 'null'), 'nothing', { flag: 'r+' });
      return true;
    } catch {
      return false;
    }
  }
}
