import type { LimitKeeper, ResourceLimits } from '../domain/sandbox.js';

/** By what the bounds of a run are kept on this host. */
export interface LimitMeans {
  /** Absolute path of prlimit(1); null where it is not installed. */
  readonly prlimit: string | null;
  readonly processes: LimitKeeper;
  readonly memory: LimitKeeper;
}

/**
 * What to put in front of a program, so that its limits hold from its first instruction on: prlimit(1), which then becomes the program.
 * Empty where there is nothing to set, or nothing to set it with.
 */
export function limitPrefix(limits: ResourceLimits, { prlimit, processes, memory }: LimitMeans): readonly string[] {
  const wanted: readonly [string, number | null][] = [
    ['cpu', limits.cpuSeconds],
    ['fsize', limits.fileBytes],
    ['nofile', limits.openFiles],
    ['nproc', processes === 'rlimit' ? limits.processes : null],
    ['data', memory === 'rlimit' ? limits.memoryBytes : null],
  ];
  const options = wanted.flatMap(([name, value]) => (value === null ? [] : [`--${name}=${value}`]));
  return prlimit === null || options.length === 0 ? [] : [prlimit, '--core=0', ...options, '--'];
}

/** The files of a control group (both versions of the kernel's interface) that bound memory and processes. */
export function groupSettings(limits: ResourceLimits, means: LimitMeans): Readonly<Record<string, string>> {
  const memory = means.memory === 'cgroup' && limits.memoryBytes !== null ? String(limits.memoryBytes) : null;
  return {
    ...(means.processes === 'cgroup' && limits.processes !== null ? { 'pids.max': String(limits.processes + HOLDERS) } : {}),
    ...(memory === null ? {} : { 'memory.max': memory, 'memory.swap.max': '0', 'memory.oom.group': '1', 'memory.limit_in_bytes': memory }),
  };
}

/** bubblewrap's own first process counts in the group. */
const HOLDERS = 1;
