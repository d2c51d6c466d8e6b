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
  /** What was there to be hidden and pinned. */
  readonly found: string;
}

/** Plans sandboxes; what is the same for all runs of a command is planned once. */
export class SandboxBuilder {
  /** Folder of device files to be shown instead of the host's. */
  devices: string | null = null;
  takesDescriptors = false;
  private readonly hidden: readonly string[];
  private readonly known = new WeakMap<Sandbox, Known>();

  constructor(private readonly common: CommonPlan) {
    this.hidden = common.hidden.map((path) => (existsSync(path) ? realpathSync(path) : path));
  }

  build({ sandbox, cwd, file, privateFolder }: LaunchRequest): SandboxBuild {
    const kept = this.toKeep(sandbox);
    if (privateFolder !== null) return this.plan({ sandbox, cwd, privateFolder, files: [file], links: NO_LINKS, ...kept });
    const found = [...kept.hidden, '', ...kept.pinned].join('\0');
    const known = this.known.get(sandbox);
    if (known?.found === found) return known;
    const build = { ...this.plan({ sandbox, cwd, privateFolder, files: [file], links: NO_LINKS, ...kept }), found };
    this.known.set(sandbox, build);
    return build;
  }

  /** With what a host needs beside what was declared. */
  buildFor({ files, links }: HostNeeds, { sandbox, cwd, file }: LaunchRequest): SandboxBuild {
    return this.plan({ sandbox, cwd, privateFolder: null, files: [file, ...files], links, ...this.toKeep(sandbox) });
  }

  /** What is there, and must be kept from this sandbox, or from being moved by it. */
  private toKeep({ write }: Sandbox): Pick<SandboxPlan, 'hidden' | 'pinned'> {
    const pinned = write.length === 0 ? [] : this.common.places().filter((path) => write.some((folder) => path.startsWith(`${folder}/`)));
    return { hidden: this.hidden.filter(isThere), pinned: pinned.filter(isThere) };
  }

  private plan(plan: Omit<SandboxPlan, 'devices' | 'takesDescriptors'>): SandboxBuild {
    return planSandbox({ ...plan, devices: this.devices, takesDescriptors: this.takesDescriptors });
  }
}

function isThere(path: string): boolean {
  return existsSync(path);
}
