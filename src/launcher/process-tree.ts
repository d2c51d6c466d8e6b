import { readdirSync, readFileSync } from 'node:fs';

/** Numbers of the processes whose parent is `pid`; empty where it is gone, or where there is no procfs. */
export function childrenOf(pid: number): readonly number[] {
  const listed = read(`/proc/${pid}/task/${pid}/children`);
  if (listed !== undefined) return listed.split(' ').filter(Boolean).map(Number);
  // A kernel without that file.
  return numbersIn('/proc').filter((other) => parentOf(other) === pid);
}

/** All below `pid`, itself left out, parents before their children. */
export function descendantsOf(pid: number): readonly number[] {
  const children = childrenOf(pid);
  return [...children, ...children.flatMap(descendantsOf)];
}

/** The process's environment as it was given when its program started: `NAME=value`. Empty for what is gone, or none of ours. */
export function environmentOf(pid: number): readonly string[] {
  return (read(`/proc/${pid}/environ`) ?? '').split('\0');
}

function parentOf(pid: number): number | undefined {
  const parent = /^PPid:\s+(\d+)$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return parent === undefined ? undefined : Number(parent);
}

/** Numbers of the threads of a process, the first of which has its own; empty where it is gone, or where there is no procfs. */
export function threadsOf(pid: number): readonly number[] {
  return numbersIn(`/proc/${pid}/task`);
}

/** Whether a thread blocks the signal of that number. */
export function blocksSignal(thread: number, signal: number): boolean {
  const blocked = /^SigBlk:\s+(\w+)$/m.exec(read(`/proc/${thread}/status`) ?? '')?.[1] ?? '0';
  return ((BigInt(`0x${blocked}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

export function allProcesses(): readonly number[] {
  return numbersIn('/proc');
}

function numbersIn(folder: string): number[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
