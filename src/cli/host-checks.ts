import { once } from 'node:events';
import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename, join, resolve } from 'node:path';
import { type LoadedSettings, settingEntries } from '../config/settings.js';
import type { Settings } from '../config/settings.schema.js';
import { addressesOf, SideDoors } from '../http/side-doors.js';
import { LISTEN_FAILURES } from './listen-failures.js';
import { failure, type Observation, ok, warning } from './observation.js';

const OLDEST_NODE = 24;
const MIB = 1024 ** 2;
/** Less than that, and readiness is lost. */
const LEAST_FREE_BYTES = 16 * MIB;
const COMFORTABLE_BYTES = 1024 * MIB;
const LIVENESS_MS = 1_000;
/** Clocks of the processes of one host agree better than that. */
const CLOCK_TOLERANCE_MS = 60_000;
/** The year in which this was written: no clock that is right shows less. */
const EARLIEST_MS = Date.UTC(2026, 0);

const OTHERS_READ = 0o004;
const OTHERS_WRITE = 0o002;
const NOT_OURS_ALONE = 0o077;

export function examineNode(): Observation {
  const { node } = process.versions;
  if (Number.parseInt(node, 10) >= OLDEST_NODE) return ok('node', `is ${node}`);
  return failure(
    'node',
    `is ${node}, too old`,
    `start it with Node ${OLDEST_NODE} or later; the checkout brings one: node_modules/.bin/node`,
  );
}

/** The folder and the secret in it. A start makes what is missing. */
export async function examineDataFolder({ DATA_DIR }: Settings): Promise<Observation[]> {
  const found = await stat(DATA_DIR).catch(() => undefined);
  if (!found) return [ok('data', 'DATA_DIR is not there yet and will be made')];
  if (!found.isDirectory()) return [failure('data', 'DATA_DIR is not a folder', 'name a folder, or move away what is in its place')];
  const mayWrite = await access(DATA_DIR, constants.R_OK | constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!mayWrite) return [failure('data', 'DATA_DIR cannot be written by this user', `sudo chown -R $(id -un) ${resolve(DATA_DIR)}`)];
  const observations: Observation[] = [];
  if ((found.mode & NOT_OURS_ALONE) !== 0)
    observations.push(warning('data', 'other users of this host may enter DATA_DIR', `chmod 700 ${resolve(DATA_DIR)}`));
  if (process.getuid?.() !== undefined && found.uid !== process.getuid())
    observations.push(warning('data', 'DATA_DIR belongs to another user', `sudo chown -R $(id -un) ${resolve(DATA_DIR)}`));
  const secretKey = join(resolve(DATA_DIR), 'secret.key');
  if (((await modeOf(secretKey)) & NOT_OURS_ALONE) !== 0)
    observations.push(warning('data', 'secret.key in DATA_DIR can be read by other users', `chmod 600 ${secretKey}`));
  return observations.length > 0 ? observations : [ok('data', 'DATA_DIR is for this user alone')];
}

/** Files that settings come from: who else may read secrets, or change what the gateway does. */
export async function examineFiles({ files, sources }: LoadedSettings): Promise<Observation[]> {
  // Secrets have files of their own, or stand in `.env`; this file may hold some as well.
  const mayBeRead = (file: string) =>
    basename(file) === 'sallyport.yaml' && !settingEntries().some(([name, { secret }]) => secret && sources[name] === 'sallyport.yaml');
  const observations: Observation[] = [];
  for (const file of files) {
    const mode = await modeOf(file);
    if ((mode & OTHERS_WRITE) !== 0)
      observations.push(warning('files', `any user of this host may change ${basename(file)}`, `chmod o-w ${file}`));
    if ((mode & OTHERS_READ) !== 0 && !mayBeRead(file))
      observations.push(warning('files', `any user of this host may read ${basename(file)}`, `chmod 600 ${file}`));
  }
  return observations.length > 0 ? observations : [ok('files', 'no file of the settings is open to other users')];
}

/** 0 where there is no such file. */
async function modeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.mode ?? 0;
}

/** Listens for a moment. What listens there already may be the gateway that the operator asks about. */
export async function examinePort({ HOST, PORT }: Settings): Promise<Observation> {
  const server = createServer();
  const sideDoors = new SideDoors(server);
  const [front, ...others] = addressesOf(HOST);
  try {
    await once(server.listen(PORT, front), 'listening');
    await sideDoors.open(others);
    return ok('port', PORT === 0 ? `a free port on ${HOST} will be taken` : `${HOST}, port ${PORT} is free`);
  } catch (error) {
    if (await answersAsGateway(HOST, PORT)) return ok('port', `a gateway serves on ${HOST}, port ${PORT}`);
    const reason = LISTEN_FAILURES[(error as NodeJS.ErrnoException).code ?? ''] ?? 'the system refuses';
    return failure('port', `${HOST}, port ${PORT} cannot be listened on: ${reason}`, 'choose another PORT or HOST, or stop what is there');
  } finally {
    await sideDoors.close();
    server.close();
  }
}

async function answersAsGateway(host: string, port: number): Promise<boolean> {
  const reached = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const address = reached.includes(':') ? `[${reached}]` : reached;
  try {
    const answer = await fetch(`http://${address}:${port}/livez`, { signal: AbortSignal.timeout(LIVENESS_MS), redirect: 'error' });
    const body = (await answer.json()) as { status?: unknown; uptime_seconds?: unknown };
    return body.status === 'ok' && typeof body.uptime_seconds === 'number';
  } catch {
    return false; // Whatever it is, it is no gateway that serves.
  }
}

/** After the store was opened: then the folder is there. */
export async function examineDisk({ DATA_DIR }: Settings): Promise<Observation[]> {
  const found = await statfs(DATA_DIR).catch(() => undefined);
  if (!found) return [];
  const free = found.bavail * found.bsize;
  const text = `${Math.floor(free / MIB)} MiB are free under DATA_DIR`;
  const advice = 'make room, or let history go earlier: RETENTION_DAYS, RETENTION_RUNS, RETENTION_BYTES';
  if (free < LEAST_FREE_BYTES) return [failure('disk', text, advice)];
  return [free < COMFORTABLE_BYTES ? warning('disk', text, advice) : ok('disk', text)];
}

/** @param lastEntryAt instant of the newest entry in the audit log, written by this host's clock */
export function examineClock(lastEntryAt: string | undefined, now = Date.now()): Observation[] {
  const advice = 'set the clock, and let NTP keep it: expiries of keys and times in the audit log depend on it';
  const shown = new Date(now).toISOString();
  if (now < EARLIEST_MS) return [failure('clock', `shows ${shown}, which is past`, advice)];
  if (lastEntryAt !== undefined && now < Date.parse(lastEntryAt) - CLOCK_TOLERANCE_MS)
    return [warning('clock', `shows ${shown}, but the audit log goes on until ${lastEntryAt}`, advice)];
  return [ok('clock', `shows ${shown}`)];
}
