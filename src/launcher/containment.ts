import { accessSync, constants, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LaunchRequest } from '../domain/launcher.js';
import {
  SANDBOX_PROFILES,
  type ContainedProfile,
  type ContainmentReport,
  type LimitKeeper,
  type ResourceLimits,
  type Sandbox,
  type SandboxMode,
} from '../domain/sandbox.js';
import { bubblewrapArguments, FILTER_FD, GATE_FD, STATUS_FD } from './bubblewrap.js';
import { ControlGroups } from './control-groups.js';
import type { HostMeans } from './executor-host.js';
import type { HostLaunch, HostSandbox } from './host-protocol.js';
import { groupSettings, limitPrefix, type LimitMeans } from './limits.js';
import { syscallFilter } from './syscall-filter.js';

export const CONTAINED_PROFILES = SANDBOX_PROFILES.filter((profile): profile is ContainedProfile => profile !== 'host');

export interface ContainmentOptions {
  readonly mode: SandboxMode;
  /** Folder of the gateway's own; made when there is none. */
  readonly folder: string;
  /** Files and folders that no sandbox shows, absolute: the gateway's own data and settings. */
  readonly hidden: readonly string[];
  /** bwrap(1); looked for in the system's folders when absent. */
  readonly bubblewrap?: string;
}

/** A sandbox for a host of its own. */
export interface SharedSandbox extends HostSandbox {
  readonly argv: readonly string[];
}

/** What the host in a sandbox needs itself: threads count as processes. */
const HOST_NEEDS = { processes: 24, memoryBytes: 128 * 1024 ** 2, openFiles: 64 };

const PROGRAM_FOLDERS = ['/usr/bin', '/bin', '/usr/local/bin'];

/** What keeps programs in, on this host: wraps a program into its sandbox and its limits. Which profiles hold is found out by trying. */
export class Containment {
  /** Null where it is missing, or not wanted. */
  readonly bubblewrap: string | null;
  private readonly groups: ControlGroups | null;
  private readonly limits: LimitMeans;
  private readonly filter: string | null;
  private version: string | null = null;
  private readonly failures = new Map<ContainedProfile, string>();
  /** What is the same for all runs of a command. */
  private readonly prefixes = new WeakMap<Sandbox, readonly string[]>();
  private readonly hidden: readonly string[];

  constructor(
    readonly options: ContainmentOptions,
    private readonly means: HostMeans,
  ) {
    const off = options.mode === 'off';
    this.hidden = options.hidden.map((path) => (existsSync(path) ? realpathSync(path) : path));
    this.bubblewrap = off ? null : (options.bubblewrap ?? findProgram('bwrap'));
    this.groups = this.bubblewrap ? ControlGroups.open() : null;
    this.limits = limitMeansOf(this.groups);
    this.filter = this.bubblewrap ? writeFilter(options.folder) : null;
  }

  /** The sandbox of this profile does not hold here: its programs are started without. */
  giveUp(profile: ContainedProfile, reason: string): void {
    this.failures.set(profile, reason);
  }

  /** @param version of bubblewrap, as it tells */
  foundVersion(version: string): void {
    this.version = version;
  }

  /**
   * The argv of a sandbox that runs of one command can share, one after the other, up to the program that is to live in it and start
   * them; null where these runs cannot share one. What it needs of files is shown beside what was declared.
   */
  shared({ sandbox, limits, cwd, file, privateFolder }: LaunchRequest, files: readonly string[]): SharedSandbox | null {
    if (privateFolder !== null || limits.cpuSeconds !== null || !this.contains(sandbox) || this.bubblewrap === null) return null;
    const roomy = withRoomForHost(limits);
    if (roomy === null) return null;
    const settings = this.groups ? groupSettings(roomy, this.limits) : {};
    return {
      argv: [
        this.bubblewrap,
        ...(this.filter ? ['--seccomp', String(FILTER_FD)] : []),
        ...bubblewrapArguments({ sandbox, cwd, files: [file, ...files], hidden: this.hidden }),
        ...['--', ...limitPrefix(roomy, this.limits)],
      ],
      filter: this.filter,
      group: this.groups && Object.keys(settings).length > 0 ? { parents: this.groups.folders, settings } : null,
    };
  }

  /** How the program is really started. */
  wrap(request: LaunchRequest): HostLaunch {
    const { file, argv, env, cwd, stdin, outputBytes, sandbox, limits } = request;
    const rest = { env, stdin, outputBytes };
    const prefix = limitPrefix(limits, this.limits);
    if (this.bubblewrap === null || !this.contains(sandbox)) {
      const [first] = prefix;
      const program = first === undefined ? { file, argv } : { file: first, argv: [...prefix, file, ...argv.slice(1)] };
      return { ...program, ...rest, cwd, sandbox: null };
    }
    const settings = this.groups ? groupSettings(limits, this.limits) : {};
    const group = this.groups && Object.keys(settings).length > 0 ? { parents: this.groups.folders, settings } : null;
    return {
      file: this.bubblewrap,
      argv: [
        this.bubblewrap,
        ...['--json-status-fd', String(STATUS_FD)],
        ...(group ? ['--block-fd', String(GATE_FD)] : []),
        ...(this.filter ? ['--seccomp', String(FILTER_FD)] : []),
        ...this.prefixOf(request),
        ...['--', ...prefix, file, ...argv.slice(1)],
      ],
      ...rest,
      cwd: '/',
      sandbox: { filter: this.filter, group },
    };
  }

  private prefixOf({ sandbox, cwd, file, privateFolder }: LaunchRequest): readonly string[] {
    if (privateFolder !== null) return bubblewrapArguments({ sandbox, cwd, files: [file, privateFolder], hidden: this.hidden });
    const known = this.prefixes.get(sandbox);
    if (known) return known;
    const prefix = bubblewrapArguments({ sandbox, cwd, files: [file], hidden: this.hidden });
    this.prefixes.set(sandbox, prefix);
    return prefix;
  }

  get report(): ContainmentReport {
    const profiles = Object.fromEntries(
      CONTAINED_PROFILES.map((profile) => [profile, this.profile(profile)]),
    ) as ContainmentReport['profiles'];
    const limits = this.reportedLimits;
    return {
      mode: this.options.mode,
      bubblewrap: this.version,
      profiles,
      limits,
      orphans: this.means.adopts ? 'subreaper' : 'process group',
      mechanism: this.means.mechanism,
      gaps: [...this.profileGaps(), ...limitGaps(limits), ...meansGaps(this.means, this.filter !== null || this.bubblewrap === null)],
    };
  }

  close(): void {
    this.groups?.close();
  }

  private contains({ profile }: Sandbox): boolean {
    return profile !== 'host' && this.bubblewrap !== null && !this.failures.has(profile);
  }

  private profile(profile: ContainedProfile): ContainmentReport['profiles'][ContainedProfile] {
    const reason = this.reasonAgainst(profile);
    return { contained: reason === null, reason };
  }

  private reasonAgainst(profile: ContainedProfile): string | null {
    if (this.options.mode === 'off') return 'SANDBOX is off';
    if (this.bubblewrap === null) return 'bubblewrap (bwrap) is not installed';
    return this.failures.get(profile) ?? null;
  }

  private get reportedLimits(): ContainmentReport['limits'] {
    const { prlimit, processes, memory } = this.limits;
    return { processes, memory, others: prlimit === null ? 'none' : 'rlimit' };
  }

  private profileGaps(): string[] {
    return CONTAINED_PROFILES.flatMap((profile) => {
      const reason = this.reasonAgainst(profile);
      return reason === null ? [] : [`programs of the profile ${profile} run with all rights of the gateway's user: ${reason}`];
    });
  }
}

/** Null where programs may have fewer descriptors than the host needs. */
function withRoomForHost(limits: ResourceLimits): ResourceLimits | null {
  if (limits.openFiles !== null && limits.openFiles < HOST_NEEDS.openFiles) return null;
  return {
    ...limits,
    processes: limits.processes === null ? null : limits.processes + HOST_NEEDS.processes,
    memoryBytes: limits.memoryBytes === null ? null : limits.memoryBytes + HOST_NEEDS.memoryBytes,
  };
}

/** Limits of the number of processes do not bind root, whatever its name in the sandbox. */
function limitMeansOf(groups: ControlGroups | null): LimitMeans {
  const prlimit = findProgram('prlimit');
  const byLimit: LimitKeeper = prlimit === null ? 'none' : 'rlimit';
  return {
    prlimit,
    processes: groups?.boundsProcesses ? 'cgroup' : process.getuid?.() === 0 ? 'none' : byLimit,
    memory: groups?.boundsMemory ? 'cgroup' : byLimit,
  };
}

function limitGaps({ processes, memory, others }: ContainmentReport['limits']): string[] {
  return [
    ...(processes === 'none' ? ['the number of processes of a run is not limited: there is no control group to write to'] : []),
    ...(memory === 'none' ? ['the memory of a run is not limited: neither a control group nor prlimit is there'] : []),
    ...(others === 'none' ? ['processor time, file size and open files of a run are not limited: prlimit is not installed'] : []),
  ];
}

function meansGaps({ adopts, mechanism }: HostMeans, filtered: boolean): string[] {
  return [
    ...(adopts ? [] : ['a program outside of a sandbox that leaves its process group outlives its run']),
    ...(mechanism === 'posix_spawn' ? [] : ['programs are started by child_process, which is slower: posix_spawn cannot be called here']),
    ...(filtered ? [] : ['system calls are not filtered in sandboxes: the numbers of this processor are not known']),
  ];
}

function findProgram(name: string): string | null {
  return PROGRAM_FOLDERS.map((folder) => join(folder, name)).find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Written once for all gateways on this folder: one may be reading it. @returns its path; null where there is no filter for this processor */
function writeFilter(folder: string): string | null {
  const filter = syscallFilter();
  if (!filter) return null;
  const path = join(folder, 'syscalls.bpf');
  if (existsSync(path) && readFileSync(path).equals(filter)) return path;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, filter, { mode: 0o600 });
  renameSync(draft, path);
  return path;
}
