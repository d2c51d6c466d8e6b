import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
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
import type { OwnDevices } from './devices.js';
import { FILTER_FD, GATE_FD, type OpenPlace, type SandboxBuild, STATUS_FD } from './bubblewrap.js';
import { ControlGroups } from './control-groups.js';
import type { HostMeans } from './executor-host.js';
import type { PlannedLaunch, SharedSandbox } from './host-protocol.js';
import { groupSettings, limitPrefix, type LimitMeans } from './limits.js';
import { SandboxBuilder, type CommonPlan, type HostNeeds } from './sandbox-builder.js';
import { syscallFilter } from './syscall-filter.js';

export const CONTAINED_PROFILES = SANDBOX_PROFILES.filter((profile): profile is ContainedProfile => profile !== 'host');

export interface ContainmentOptions extends CommonPlan {
  readonly mode: SandboxMode;
  /** Folder of the gateway's own; made when there is none. */
  readonly folder: string;
}

/** Why a program must not be started; fit for callers. */
export interface LaunchRefusal {
  readonly refusal: string;
}

/** What the host in a sandbox needs itself: threads count as processes. */
const HOST_NEEDS = { processes: 24, memoryBytes: 128 * 1024 ** 2, openFiles: 64 };

const GONE: LaunchRefusal = { refusal: 'the program could not be started (ENOENT)' };

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
  private readonly builder: SandboxBuilder;

  constructor(
    readonly options: ContainmentOptions,
    private readonly means: HostMeans,
  ) {
    const off = options.mode === 'off';
    this.builder = new SandboxBuilder(options);
    this.bubblewrap = off ? null : findProgram('bwrap');
    this.groups = this.bubblewrap ? ControlGroups.open() : null;
    this.limits = limitMeansOf(this.groups);
    this.filter = this.bubblewrap ? writeFilter(options.folder) : null;
  }

  /** The sandbox of this profile does not hold here: its programs are started without. */
  giveUp(profile: ContainedProfile, reason: string): void {
    this.failures.set(profile, reason);
  }

  /** Sandboxes show these device files instead of the host's. */
  useDevices({ folder }: OwnDevices): void {
    this.builder.devices = folder;
  }

  /** @param version of bubblewrap, and its options, as it tells */
  foundVersion(version: string, options: string): void {
    this.version = version;
    this.builder.takesDescriptors = options.includes('--ro-bind-fd');
  }

  /**
   * The argv of a sandbox that runs of one command can share, one after the other, up to the program that is to live in it and start
   * them; null where these runs cannot share one. What it needs of files is shown beside what was declared.
   */
  shared(request: LaunchRequest, needs: HostNeeds): SharedSandbox | null {
    const { sandbox, limits, privateFolder } = request;
    if (privateFolder !== null || limits.cpuSeconds !== null || !this.contains(sandbox) || this.bubblewrap === null) return null;
    const roomy = withRoomForHost(limits);
    if (roomy === null) return null;
    const build = this.builder.buildFor(needs, request);
    return {
      argv: [this.bubblewrap, ...build.arguments, ...this.filterArguments, '--', ...limitPrefix(roomy, this.limits)],
      filter: this.filter,
      nullDevice: this.nullDevice,
      places: placesIn(build),
      group: this.groupFor(roomy),
    };
  }

  /** How the program is really started, or why it cannot be. */
  wrap(request: LaunchRequest): PlannedLaunch | LaunchRefusal {
    const { file, argv, env, cwd, stdin, outputBytes, sandbox, limits } = request;
    const rest = { env, stdin, outputBytes };
    const group = this.groupFor(limits);
    const prefix = limitPrefix(limits, this.limits);
    const isContained = this.contains(sandbox);
    // Whoever starts it for us would tell its absence as the program's own end.
    if ((isContained || group || prefix.length > 0) && !isExecutable(file)) return GONE;
    const [first] = prefix;
    if (this.bubblewrap === null || !isContained) {
      const program = first === undefined ? { file, argv } : { file: first, argv: [...prefix, file, ...argv.slice(1)] };
      return { ...program, ...rest, cwd, sandbox: null, group };
    }
    const build = this.builder.build(request);
    return {
      file: this.bubblewrap,
      argv: [
        this.bubblewrap,
        ...build.arguments,
        ...['--json-status-fd', String(STATUS_FD)],
        ...(group ? ['--block-fd', String(GATE_FD)] : []),
        ...this.filterArguments,
        ...['--', ...prefix, file, ...argv.slice(1)],
      ],
      ...rest,
      cwd: '/',
      sandbox: { filter: this.filter, nullDevice: this.nullDevice, places: placesIn(build) },
      group,
    };
  }

  private get filterArguments(): readonly string[] {
    return this.filter ? ['--seccomp', String(FILTER_FD)] : [];
  }

  private get nullDevice(): string {
    return join(this.builder.devices ?? '/dev', 'null');
  }

  private groupFor(limits: ResourceLimits): PlannedLaunch['group'] {
    const settings = this.groups ? groupSettings(limits, this.limits) : {};
    return this.groups && Object.keys(settings).length > 0 ? { parents: this.groups.folders, settings } : null;
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
      gaps: [
        ...this.profileGaps(),
        ...limitGaps(limits),
        ...meansGaps(this.means, this.filter !== null || this.bubblewrap === null),
        ...this.deviceGaps(),
      ],
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

  private deviceGaps(): string[] {
    const exposed = process.getuid?.() === 0 && this.bubblewrap !== null && this.version !== null && this.builder.devices === null;
    return exposed
      ? ["a program in a sandbox can take away the rights to the host's /dev/null: the gateway is root and makes no devices"]
      : [];
  }

  private profileGaps(): string[] {
    return CONTAINED_PROFILES.flatMap((profile) => {
      const reason = this.reasonAgainst(profile);
      return reason === null ? [] : [`programs of the profile ${profile} run with all rights of the gateway's user: ${reason}`];
    });
  }
}

/** What the sandbox shows, by places in an argv that begins with bubblewrap itself. */
function placesIn({ places }: SandboxBuild): readonly OpenPlace[] {
  return places.map(({ path, argument }) => ({ path, argument: argument === null ? null : argument + 1 }));
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
