/**
 * The program that tries to escape: started in each sandbox before the gateway serves, with a {@link ProbePlan} as its argument. Prints
 * what it managed to do as a JSON array of {@link Escape}s. What fails, fails silently: that is what the sandbox is for.
 */
import { accessSync, constants, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { connect, type NetConnectOpts } from 'node:net';

export interface ProbePlan {
  /** A file outside of all declared folders, as the gateway's own data is. */
  readonly secretFile: string;
  /** Files that must not come into being. */
  readonly forbiddenFiles: readonly string[];
  readonly gatewayPid: number;
  /** A port of the gateway's on the loopback interface, and an abstract socket; null where the profile has a network. */
  readonly network: { readonly port: number; readonly socket: string } | null;
}

export type Escape =
  | 'reads files of the gateway'
  | 'writes outside'
  | 'sees other processes'
  | 'keeps rights'
  | 'changes settings of the kernel'
  | 'reaches the network'
  | 'reaches sockets of the host';

const CONNECT_MS = 500;

/** One for each way in which bubblewrap could show them: what is written to the first is run by the kernel as root. */
const KERNEL_SETTINGS = [
  '/proc/sys/kernel/core_pattern',
  '/proc/sys/vm/overcommit_memory',
  '/proc/sysrq-trigger',
  '/proc/self/oom_score_adj',
];

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

/** Whether something answers there, a refusal by another program included. */
function reaches(place: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ ...place, timeout: CONNECT_MS });
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('timeout', () => resolve(false));
  });
}

function keepsRights(): boolean {
  const status = readFileSync('/proc/self/status', 'utf8');
  const field = (name: string) => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? '';
  const capabilities = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].some((name) => /[1-9a-f]/.test(field(name)));
  return capabilities || field('NoNewPrivs') !== '1' || field('Uid') === '0';
}

/** The probe itself, its threads apart, and the first process of the sandbox. */
function seesOthers(gatewayPid: number): boolean {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  const own = [process.pid, 1];
  if (processes.some((pid) => !own.includes(pid))) return true;
  return !own.includes(gatewayPid) && succeeds(() => process.kill(gatewayPid, 0));
}

async function escapes({ secretFile, forbiddenFiles, gatewayPid, network }: ProbePlan): Promise<Escape[]> {
  const found: [Escape, boolean][] = [
    ['reads files of the gateway', succeeds(() => readFileSync(secretFile))],
    ['writes outside', forbiddenFiles.some((file) => succeeds(() => writeFileSync(file, 'escaped', { flag: 'wx' })))],
    ['sees other processes', seesOthers(gatewayPid)],
    ['keeps rights', keepsRights()],
    ['changes settings of the kernel', KERNEL_SETTINGS.some((file) => succeeds(() => accessSync(file, constants.W_OK)))],
  ];
  if (network) {
    found.push(['reaches the network', await reaches({ host: '127.0.0.1', port: network.port })]);
    found.push(['reaches sockets of the host', await reaches({ path: network.socket })]);
  }
  return found.flatMap(([escape, managed]) => (managed ? [escape] : []));
}

process.stdout.write(`${JSON.stringify(await escapes(JSON.parse(process.argv[2] ?? '') as ProbePlan))}\n`);
process.exit(0);
