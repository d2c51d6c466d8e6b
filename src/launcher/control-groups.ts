import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A folder in which this gateway may make control groups, and what it can bound there. */
interface Hierarchy {
  readonly folder: string;
  readonly processes: boolean;
  readonly memory: boolean;
}

/**
 * The control groups of this gateway: one folder of its own in each hierarchy of the kernel that it may write to (version 2, or the
 * `pids` and `memory` hierarchies of version 1). None where it may not: most unprivileged gateways, most containers.
 */
export class ControlGroups {
  private constructor(private readonly hierarchies: readonly Hierarchy[]) {}

  static open(): ControlGroups {
    const owners = `sallyport-${pidNamespace()}`;
    // Numbers of processes come back, in containers the same at each start, and what an earlier gateway left may not be gone yet.
    const name = `${owners}-${process.pid}-${randomBytes(4).toString('hex')}`;
    const found = mountedHierarchies().flatMap((root) => openHierarchy(root, owners, name) ?? []);
    const unified = found.find(({ processes, memory }) => processes && memory);
    const chosen = unified ? [unified] : firstOfEach(found);
    for (const { folder } of found) if (!chosen.some((one) => one.folder === folder)) removeTree(folder);
    return new ControlGroups(chosen);
  }

  get folders(): readonly string[] {
    return this.hierarchies.map(({ folder }) => folder);
  }

  get boundsProcesses(): boolean {
    return this.hierarchies.some(({ processes }) => processes);
  }

  get boundsMemory(): boolean {
    return this.hierarchies.some(({ memory }) => memory);
  }

  close(): void {
    for (const { folder } of this.hierarchies) removeTree(folder);
  }
}

/** Where this process stands in each mounted hierarchy. */
function mountedHierarchies(): string[] {
  const own = new Map(
    lines('/proc/self/cgroup').map((line) => {
      const [, controllers = '', path = '/'] = line.split(':');
      return [controllers, path];
    }),
  );
  return lines('/proc/self/mountinfo').flatMap((line) => {
    const [mount = '', system = ''] = line.split(' - ');
    const [, , , , point = ''] = mount.split(' ');
    const [type = '', , options = ''] = system.split(' ');
    if (type === 'cgroup2') return [join(point, own.get('') ?? '/'), point];
    if (type !== 'cgroup') return [];
    const names = options.split(',');
    const controllers = [...own.keys()].find(
      (key) => key !== '' && key.split(',').some((name) => ['pids', 'memory'].includes(name) && names.includes(name)),
    );
    return controllers === undefined ? [] : [join(point, own.get(controllers) ?? '/'), point];
  });
}

function openHierarchy(root: string, owners: string, name: string): Hierarchy | undefined {
  const folder = join(root, name);
  try {
    removeStale(root, owners);
    mkdirSync(folder);
    // Refused in a group that holds processes itself: what is not enabled then is not bounded.
    for (const controller of ['+pids', '+memory']) tryToWrite(join(root, 'cgroup.subtree_control'), controller);
    for (const controller of ['+pids', '+memory']) tryToWrite(join(folder, 'cgroup.subtree_control'), controller);
    const probe = join(folder, 'probe');
    mkdirSync(probe);
    const has = (...files: string[]) => files.some((file) => existsSync(join(probe, file)));
    const hierarchy = { folder, processes: has('pids.max'), memory: has('memory.max', 'memory.limit_in_bytes') };
    rmdirSync(probe);
    if (hierarchy.processes || hierarchy.memory) return hierarchy;
    rmdirSync(folder);
  } catch {
    // Not ours to write to.
  }
  return undefined;
}

/** In which a number means the same process to whoever is in it too. */
function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0'; // No /proc, or not that of Linux: then there are no groups either.
  }
}

/** Groups of gateways that are no more. Of those in other namespaces nothing can be said from here. */
function removeStale(root: string, owners: string): void {
  for (const name of readdirSync(root)) {
    const [pid] = name.startsWith(`${owners}-`) ? name.slice(owners.length + 1).split('-') : [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeTree(join(root, name));
  }
}

/** What still has members stays, for the next start to remove. */
function removeTree(folder: string): void {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) rmdirSync(join(folder, entry.name));
    rmdirSync(folder);
  } catch {
    return;
  }
}

function firstOfEach(found: readonly Hierarchy[]): readonly Hierarchy[] {
  const first = [found.find(({ processes }) => processes), found.find(({ memory }) => memory)];
  return [...new Set(first)].filter((hierarchy) => hierarchy !== undefined);
}

function tryToWrite(path: string, text: string): void {
  try {
    if (existsSync(path)) writeFileSync(path, text);
  } catch {
    // Whether it took effect is looked at afterwards.
  }
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').trim().split('\n');
  } catch {
    return [];
  }
}
