/**
 * What a program may reach. `pure`: no network, no writes. `workspace`: writes to named folders, no network. `network`: the host's
 * network, and writes to named folders. `host`: everything that the gateway's own user may.
 */
export const SANDBOX_PROFILES = ['pure', 'workspace', 'network', 'host'] as const;
export type SandboxProfile = (typeof SANDBOX_PROFILES)[number];
export type ContainedProfile = Exclude<SandboxProfile, 'host'>;

/** The sandbox of one command. Paths are real and absolute. */
export interface Sandbox {
  readonly profile: SandboxProfile;
  /** Files and folders to be seen beside those of the system; not writable. */
  readonly read: readonly string[];
  /** Folders to be seen and written to. */
  readonly write: readonly string[];
}

/** What one run may use; null: no limit of ours. */
export interface ResourceLimits {
  /** Processor time of each process. */
  readonly cpuSeconds: number | null;
  readonly memoryBytes: number | null;
  /** Processes and threads at one time. */
  readonly processes: number | null;
  /** Size of each file that is written. */
  readonly fileBytes: number | null;
  /** Descriptors that each process may have open. */
  readonly openFiles: number | null;
}

export const SANDBOX_MODES = ['auto', 'require', 'off'] as const;
export type SandboxMode = (typeof SANDBOX_MODES)[number];

/** How a bound on what programs do is kept on this host; `none` means that it is not. */
export type LimitKeeper = 'cgroup' | 'rlimit' | 'none';

/** What is contained on this host and what is not, as found out by trying. */
export interface ContainmentReport {
  readonly mode: SandboxMode;
  /** Version of bubblewrap; null where it is missing, too old, or not asked for. */
  readonly bubblewrap: string | null;
  readonly profiles: Readonly<Record<ContainedProfile, { readonly contained: boolean; readonly reason: string | null }>>;
  readonly limits: { readonly processes: LimitKeeper; readonly memory: LimitKeeper; readonly others: LimitKeeper };
  /** How descendants of runs without a sandbox are found when these end. */
  readonly orphans: 'subreaper' | 'process group';
  /** How programs are started. */
  readonly mechanism: 'posix_spawn' | 'child_process';
  /** What an operator should know is missing, in words. */
  readonly gaps: readonly string[];
}
