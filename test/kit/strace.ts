import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { eventually } from './eventually.js';
import { where, wherePermitted } from './where.js';

export const hasStrace = process.platform === 'linux' && spawnSync('strace', ['-V']).status === 0;

export const withStrace = where(hasStrace, 'there is no strace');

/** A fault, as `strace -e inject=` takes it. */
export interface Fault {
  /** Names of system calls. Each thread counts for itself, all calls of the set together. */
  readonly calls: string;
  /** `error=EIO`, `signal=SIGKILL`, `delay_enter=MICROSECONDS` */
  readonly effect: string;
  /** `3`, `3+`, `3..5`: which of its calls */
  readonly when: string;
  /** Only calls about this file. */
  readonly path?: string;
}

/** What to put before a program so that it, its threads and all that it starts meet with this fault. */
export function under({ calls, effect, when, path }: Fault, output = '/dev/null'): string[] {
  // What strace 6.1 stops for through a filter it sends no signals at.
  const filter = effect.startsWith('signal=') ? [] : ['--seccomp-bpf'];
  const about = path === undefined ? [] : ['-P', path];
  return ['strace', '-f', ...filter, ...about, '-o', output, '-e', `trace=${calls}`, '-e', `inject=${calls}:${effect}:when=${when}`];
}

/** Whether what strace wrote tells that the fault has happened. */
export function hasStruck(output: string): boolean {
  return /\((INJECTED|DELAYED)\)|\+\+\+ killed by SIGKILL/.test(output);
}

/** What to put before a program to have its calls written to a file, with the paths of descriptors and all bytes. */
export function tracing(calls: string, file: string): string[] {
  return ['strace', '-f', '--seccomp-bpf', '-y', '-s', '1000000', '-o', file, '-e', `trace=${calls}`];
}

/** Yama lets only the administrator attach to processes that are no descendants; where there is no Yama, every user to his own. */
const YAMA = '/proc/sys/kernel/yama/ptrace_scope';
const mayAttach = () => process.getuid?.() === 0 || !existsSync(YAMA) || readFileSync(YAMA, 'utf8').trim() === '0';

export const withAttachedStrace = wherePermitted(hasStrace && mayAttach(), 'strace may not attach to a process');

/** Lets a process that runs already meet with this fault. Resolves when it does; the function it gives ends that. */
export async function afflict(pid: number, { calls, effect, when }: Fault): Promise<() => Promise<void>> {
  const tracer = spawn('strace', [
    '-f',
    '-p',
    `${pid}`,
    '-o',
    '/dev/null',
    '-e',
    `trace=${calls}`,
    '-e',
    `inject=${calls}:${effect}:when=${when}`,
  ]);
  const gone = once(tracer, 'exit');
  let said = '';
  tracer.stderr.on('data', (text: Buffer) => (said += String(text)));
  await eventually(() => said.includes('attached'));
  return async () => {
    tracer.kill('SIGINT');
    await gone;
  };
}
