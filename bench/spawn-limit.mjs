// The machine's own limit as a contender: spawn-limit.c beside this file, compiled where there is a compiler.
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ECHO, ENVIRONMENT } from './servers.mjs';

const execute = promisify(execFile);
const SOURCE = fileURLToPath(new URL('spawn-limit.c', import.meta.url));
const GRACE_MS = 20_000;

export const SPAWN_LIMIT = 'posix_spawn alone';

/** Undefined where no C compiler is installed. */
export async function spawnLimit({ folder, signal }) {
  const file = join(folder, 'spawn-limit');
  try {
    await execute('cc', ['-O2', '-o', file, SOURCE], { signal });
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
  return { name: SPAWN_LIMIT, measure: (given) => measure(file, given) };
}

/** As many at a time as the others have connections. It stops starting when the time is over: those under way then cost CPU too. */
async function measure(file, { connections, seconds, signal }) {
  const args = [seconds, connections, availableParallelism(), `${ECHO.slice(1).join(' ')}\n`, ...ECHO].map(String);
  const { stdout } = await execute(file, args, { env: ENVIRONMENT, signal, timeout: seconds * 1000 + GRACE_MS, killSignal: 'SIGKILL' });
  const { requests, p50Ms, p99Ms, cpuMs } = JSON.parse(stdout);
  return {
    contender: SPAWN_LIMIT,
    connections,
    answered: requests,
    rate: requests / seconds,
    p50Ms,
    p99Ms,
    cpuMsPerRequest: cpuMs / (requests + connections),
  };
}
