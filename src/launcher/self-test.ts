import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GatewayError } from '../domain/errors.js';
import type { LaunchHandlers, LaunchRequest } from '../domain/launcher.js';
import type { ContainedProfile } from '../domain/sandbox.js';
import { CONTAINED_PROFILES, type Containment } from './containment.js';
import { OwnDevices } from './devices.js';
import type { PlannedLaunch } from './host-protocol.js';
import type { Escape, ProbePlan } from './sandbox-probe.js';

/** Starts a program as it is. */
export type Start = (launch: PlannedLaunch, handlers: LaunchHandlers) => { kill(signal: 'SIGKILL'): void };

const OLDEST = [0, 8];
const OUTPUT_BYTES = 16 * 1024;
const DEADLINE_MS = 10_000;
const PROBE = fileURLToPath(new URL('./sandbox-probe.js', import.meta.url));

interface Result {
  readonly stdout: string;
  readonly stderr: string;
  readonly succeeded: boolean;
}

/**
 * Tries to escape from each profile, with a real program in a real sandbox. A profile that cannot be built here is given up by name.
 * @throws GatewayError `executor_unavailable` when a profile can be built and does not hold: nothing may be run then
 */
export async function tryContainment(containment: Containment, start: Start): Promise<void> {
  const { bubblewrap } = containment;
  if (bubblewrap === null) return;
  const version = await versionOf(bubblewrap, start);
  if (version === null || !isRecent(version)) {
    const reason =
      version === null
        ? 'bubblewrap does not run here'
        : `bubblewrap ${version} is too old: ${OLDEST.join('.')} is the oldest that will do`;
    for (const profile of CONTAINED_PROFILES) containment.giveUp(profile, reason);
    return;
  }
  const { stdout: options } = await outcomeOf(plainLaunch([bubblewrap, '--help']), start);
  containment.foundVersion(version, options);
  if (process.getuid?.() === 0) await replaceDevices(containment, start);
  await using traps = await setTraps();
  await Promise.all(CONTAINED_PROFILES.map((profile) => tryProfile(profile, containment, traps, start)));
}

/** Where it fails, the report says so: the host's devices stay in reach. */
async function replaceDevices(containment: Containment, start: Start): Promise<void> {
  const devices = new OwnDevices(join(containment.options.folder, 'devices'));
  const { succeeded } = await outcomeOf(plainLaunch(devices.argv), start);
  if (succeeded && devices.giveAway()) containment.useDevices(devices);
}

async function tryProfile(profile: ContainedProfile, containment: Containment, traps: Traps, start: Start): Promise<void> {
  const launch = containment.wrap(probeRequest(profile, traps));
  if ('refusal' in launch) return containment.giveUp(profile, launch.refusal);
  const { succeeded, stdout, stderr } = await outcomeOf(launch, start);
  if (!succeeded) return containment.giveUp(profile, reasonOf(stderr));
  const escapes = JSON.parse(stdout) as Escape[];
  if (escapes.length === 0) return;
  throw new GatewayError(
    'executor_unavailable',
    `The sandbox of the profile ${profile} does not hold: a program in it ${escapes.join(', ')}.`,
  );
}

function probeRequest(profile: ContainedProfile, { folder, port, socket }: Traps): LaunchRequest {
  const plan: ProbePlan = {
    secretFile: join(folder, 'secret'),
    forbiddenFiles: [join(folder, 'written'), '/usr/sallyport-escape', '/etc/sallyport-escape', '/sallyport-escape'],
    gatewayPid: process.pid,
    network: profile === 'network' ? null : { port, socket },
  };
  return {
    file: process.execPath,
    argv: [process.execPath, '--lite-mode', PROBE, JSON.stringify(plan)],
    env: {},
    cwd: '/',
    stdin: null,
    outputBytes: OUTPUT_BYTES,
    privateFolder: null,
    sandbox: { profile, read: [PROBE], write: [] },
    limits: { cpuSeconds: 30, memoryBytes: 1024 ** 3, processes: 256, fileBytes: 1024 ** 2, openFiles: 256 },
  };
}

/** What a probe must not reach. */
interface Traps extends AsyncDisposable {
  readonly folder: string;
  readonly port: number;
  /** Name of an abstract socket. */
  readonly socket: string;
}

async function setTraps(): Promise<Traps> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-trap-')));
  writeFileSync(join(folder, 'secret'), 'not to be read', { mode: 0o600 });
  const socket = `\0${folder}`;
  const overNetwork = await listening({ host: '127.0.0.1', port: 0 });
  const servers = [overNetwork, await listening({ path: socket })];
  return {
    folder,
    socket,
    port: (overNetwork.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => once(server.close(), 'close')));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function listening(place: { host: string; port: number } | { path: string }): Promise<Server> {
  const server = createServer((socket) => socket.destroy()).listen(place);
  await once(server, 'listening');
  return server;
}

async function versionOf(bubblewrap: string, start: Start): Promise<string | null> {
  const { succeeded, stdout } = await outcomeOf(plainLaunch([bubblewrap, '--version']), start);
  return succeeded ? (/(\d+\.\d+(\.\d+)?)/.exec(stdout)?.[1] ?? null) : null;
}

function plainLaunch(argv: readonly [string, ...string[]]): PlannedLaunch {
  return { file: argv[0], argv, env: {}, cwd: '/', stdin: null, outputBytes: OUTPUT_BYTES, sandbox: null, group: null };
}

function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST;
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

function outcomeOf(launch: PlannedLaunch, start: Start): Promise<Result> {
  return new Promise((resolve) => {
    const text = { stdout: '', stderr: '' };
    const deadline = setTimeout(() => started.kill('SIGKILL'), DEADLINE_MS);
    const started = start(launch, {
      onOutput: (stream, data) => void (text[stream] += data.toString()),
      onTruncated: () => undefined,
      onEnd: (end) => {
        clearTimeout(deadline);
        resolve({ ...text, succeeded: end.kind === 'exited' && end.code === 0 });
      },
    });
  });
}

/** bubblewrap's own words say best what the host refuses. */
function reasonOf(stderr: string): string {
  const [line = ''] = stderr.trim().split('\n');
  return line === '' ? 'the sandbox cannot be built here' : line.slice(0, 200);
}
