import { existsSync, realpathSync } from 'node:fs';
import type { LaunchRequest } from '../domain/launcher.js';
import type { Sandbox } from '../domain/sandbox.js';
import { planSandbox, type SandboxBuild, type SandboxPlan } from './bubblewrap.js';

/** What the sandboxes of this gateway have in common. */
export interface CommonPlan {
  /** Files and folders that no sandbox shows, absolute: the gateway's own data and settings. */
  readonly hidden: readonly string[];
  /** Files and folders that any sandbox may show, real and absolute, as the catalogue has them at the moment. */
  readonly places: () => readonly string[];
}

/** What has to be seen besides. */
export type HostNeeds = Pick<SandboxPlan, 'files' | 'links'>;

const NO_LINKS: HostNeeds['links'] = new Map();

interface Known extends SandboxBuild {
  /** What was there to be hidden. */
  readonly covered: string;
}

/** Plans sandboxes; what is the same for all runs of a command is planned once. */
export class SandboxBuilder {
  /** Folder of device files to be shown instead of the host's. */
  devices: string | null = null;
  private readonly hidden: readonly string[];
  private readonly known = new WeakMap<Sandbox, Known>();

  constructor(private readonly common: CommonPlan) {
    this.hidden = common.hidden.map((path) => (existsSync(path) ? realpathSync(path) : path));
  }

  build({ sandbox, cwd, file, privateFolder }: LaunchRequest): SandboxBuild {
    if (privateFolder !== null) return this.plan(sandbox, cwd, { files: [file], links: NO_LINKS }, privateFolder);
    const covered = this.hidden.filter((path) => existsSync(path)).join('\0');
    const known = this.known.get(sandbox);
    if (known?.covered === covered) return known;
    const build = { ...this.plan(sandbox, cwd, { files: [file], links: NO_LINKS }), covered };
    this.known.set(sandbox, build);
    return build;
  }

  /** With what a host needs beside what was declared. */
  buildFor({ files, links }: HostNeeds, { sandbox, cwd, file }: LaunchRequest): SandboxBuild {
    return this.plan(sandbox, cwd, { files: [file, ...files], links });
  }

  private plan(sandbox: Sandbox, cwd: string, needs: HostNeeds, privateFolder: string | null = null): SandboxBuild {
    return planSandbox({ sandbox, cwd, ...needs, privateFolder, hidden: this.hidden, pinned: this.common.places(), devices: this.devices });
  }
}

/**
 * Whether every path still leads where it says. A link in its place would show a program, and let it write to, what nobody declared:
 * whoever may write around a place could put one there while no sandbox pins it.
 */
export function areInPlace({ sources }: SandboxBuild): boolean {
  return sources.every((path) => {
    try {
      return realpathSync.native(path) === path;
    } catch (error) {
      // bubblewrap says itself what is missing.
      return (error as NodeJS.ErrnoException).code === 'ENOENT';
    }
  });
}
