// Where the run takes place: facts to print with the results, and a folder on a real disk.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { availableParallelism, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ENVIRONMENT } from './servers.mjs';

const execute = promisify(execFile);

/** In memory there is no fsync to wait for, so a durable audit entry would cost nothing. */
const NO_DISK = new Set(['tmpfs', 'ramfs']);

/** A new folder on a disk, in the system's place for such or else among the installed packages, with the name of its file system. */
export function makeFolder() {
  const places = [tmpdir(), fileURLToPath(new URL('../node_modules', import.meta.url))];
  const place = places.find((candidate) => !NO_DISK.has(fileSystemOf(candidate)));
  if (!place) throw new Error(`no place on a disk: ${places.join(' and ')} are in memory`);
  return { path: mkdtempSync(join(place, 'sallyport-bench-')), fileSystem: fileSystemOf(place) };
}

/** That of the longest mount point above the path; of several at the same point the last, which covers the others. */
function fileSystemOf(path) {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, point]) => point === '/' || path === point || path.startsWith(`${point}/`));
  return mounts.reduce((found, mount) => (mount[1].length >= found[1].length ? mount : found))[2];
}

/** Its version; undefined when it is not installed where servers are looked for. */
export async function webhookVersion() {
  return /version (\S+)/.exec(await outputOf('webhook', '-version'))?.[1];
}

/** The same of lighttpd. */
export async function lighttpdVersion() {
  return /lighttpd\/(\S+)/.exec(await outputOf('lighttpd', '-v'))?.[1];
}

async function outputOf(file, ...args) {
  const { stdout } = await execute(file, args, { env: ENVIRONMENT }).catch(() => ({ stdout: '' }));
  return stdout;
}

/** The machine in one line. The load average tells whether it had anything else to do. */
export function describeHost() {
  const [load] = loadavg();
  return `${availableParallelism()} cores, Linux ${release()}, Node ${process.versions.node}, load average before the run ${load.toFixed(2)}`;
}
