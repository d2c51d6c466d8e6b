import { constants } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, resolve } from 'node:path';
import type { Settings } from '../config/settings.schema.js';
import { type Observation, ok, warning } from './observation.js';

const MIB = 1024 ** 2;
const COMFORTABLE_BYTES = 256 * MIB;
const CONNECT_MS = 2_000;

/** What the gateway tells others by itself. It works without any of it, so nothing of this is a failure. */
export async function examineOutlets(settings: Settings): Promise<Observation[]> {
  const { LOG_DIR, SENTRY_DSN, OTEL_EXPORTER_OTLP_ENDPOINT } = settings;
  const found = await Promise.all([
    LOG_DIR === undefined ? [] : examineLogFolder(LOG_DIR),
    SENTRY_DSN === undefined ? [] : examinePeer('errors', 'SENTRY_DSN', SENTRY_DSN),
    OTEL_EXPORTER_OTLP_ENDPOINT === undefined ? [] : examinePeer('traces', 'OTEL_EXPORTER_OTLP_ENDPOINT', OTEL_EXPORTER_OTLP_ENDPOINT),
  ]);
  return found.flat();
}

/** A start makes it where it is missing, in the nearest folder that is there. */
async function examineLogFolder(folder: string): Promise<Observation> {
  const place = await nearestThere(resolve(folder));
  const isFolder = (await stat(place)).isDirectory();
  if (!isFolder) return warning('logs', 'LOG_DIR is not a folder, nor can it be made', 'name a folder, or move away what is in its place');
  const mayWrite = await access(place, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!mayWrite) return warning('logs', 'LOG_DIR cannot be written by this user', `sudo chown $(id -un) ${place}, or name another folder`);
  const { bavail, bsize } = await statfs(place);
  const text = `${Math.floor((bavail * bsize) / MIB)} MiB are free under LOG_DIR`;
  return bavail * bsize < COMFORTABLE_BYTES
    ? warning('logs', text, 'make room, or let lines go earlier: LOG_KEEP_BYTES')
    : ok('logs', text);
}

async function nearestThere(path: string): Promise<string> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  return isThere ? path : nearestThere(dirname(path));
}

/** Connects and says nothing. @param address its path and its credentials are not shown */
async function examinePeer(about: Observation['about'], setting: string, address: string): Promise<Observation> {
  const { protocol, hostname, port } = new URL(address);
  const number = Number(port || (protocol === 'https:' ? 443 : 80));
  const fault = await connectFault(hostname.replace(/^\[|\]$/g, ''), number);
  if (fault === undefined) return ok(about, `${setting} can be reached`);
  return warning(about, `${setting} cannot be reached: ${fault}`, 'see that it runs, and that nothing between keeps this host from it');
}

/** The system's code, or undefined when somebody takes connections there. */
function connectFault(host: string, port: number): Promise<string | undefined> {
  return new Promise((told) => {
    const socket = connect({ host, port, timeout: CONNECT_MS });
    const end = (fault?: string) => {
      socket.destroy();
      told(fault);
    };
    socket.once('connect', () => end());
    socket.once('timeout', () => end('no answer in two seconds'));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.name));
  });
}
