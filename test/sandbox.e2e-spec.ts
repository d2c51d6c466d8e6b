import { randomBytes } from 'node:crypto';
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { childrenOf } from '../src/launcher/process-tree.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import type { Pried, PryPlan } from './fixtures/pries.js';
import { command } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, type Declaration } from './kit/gateway.js';
import { type Program, type ProgramHome, programHome, removeHomes } from './kit/program.js';
import { family } from './kit/survivors.js';
import { contained, containedAsRoot } from './kit/where.js';

const PRIES = fileURLToPath(new URL('./fixtures/pries.js', import.meta.url));
const KOFFI = dirname(fileURLToPath(import.meta.resolve('koffi')));
/** What a program of Node's needs to see. */
const NODE = [process.execPath, dirname(PRIES), KOFFI, join(KOFFI, '../@koromix')];

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-sandbox-')));
const [work, other] = [join(folder, 'work'), join(folder, 'other')];
const servers: Server[] = [];
afterAll(async () => {
  await removeHomes();
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Halves of secrets: what is searched for must not stand in the command line of who searches. */
const SECRETS = Object.fromEntries(
  ['environment', 'dotenv', 'data', 'otherRun', 'otherFile', 'undeclared', 'admin'].map((name) => [
    name,
    [`${name}-${randomBytes(6).toString('hex')}`, randomBytes(6).toString('hex')] as [string, string],
  ]),
);
const secret = (name: string): string => SECRETS[name]?.join('') ?? '';

/** Keeps a secret in its environment and one in a file, and stays. */
const keeper = (sandbox: object): Declaration =>
  command({
    script: { interpreter: 'sh', text: 'cat "$1" > /dev/null && echo ready && sleep 60', args: ['{file}'] },
    params: { token: { type: 'secret' }, file: { type: 'secret', via: 'file' } },
    env: { TOKEN: '{token}' },
    effect: 'change',
    sandbox,
    timeout: '2min',
  });

const pry = (sandbox: object, differences: object = {}): Declaration =>
  command({
    exec: [process.execPath, PRIES, '{plan}'],
    params: { plan: { type: 'json', default: {} } },
    effect: 'change',
    sandbox,
    ...differences,
  });

/** A bound on the processor time of each run cannot be shared. */
const OWN = { limits: { cpu: '1min' } };
const DESCRIPTORS = 'number=0; while [ $number -lt 64 ]; do [ -L /proc/$$/fd/$number ] && echo $number; number=$((number + 1)); done; cat';

function declarations(home: string): Record<string, Declaration> {
  const read = [...NODE, home];
  const profiles = { pure: { profile: 'pure', read }, workspace: { profile: 'workspace', read, write: [work] } };
  const network = { profile: 'network', read, write: [work] };
  const descriptors = (differences: object) =>
    command({
      script: { interpreter: 'sh', text: DESCRIPTORS },
      params: { text: { type: 'text', optional: true } },
      stdin: '{text}',
      ...differences,
    });
  return {
    ...Object.fromEntries(
      Object.entries({ ...profiles, network }).flatMap(([name, sandbox]) => [
        [`${name}.own`, pry(sandbox, OWN)],
        [`${name}.kept`, pry(sandbox)],
      ]),
    ),
    'keeps.in': keeper({ profile: 'pure' }),
    'keeps.out': keeper({ profile: 'host' }),
    outside: pry({ profile: 'host' }),
    'descriptors.own': descriptors({ sandbox: { profile: 'pure', read: [work, other] }, ...OWN }),
    'descriptors.kept': descriptors({ sandbox: { profile: 'pure', read: [work, other] } }),
    'descriptors.out': descriptors({ sandbox: { profile: 'host' } }),
    'private.file': command({
      script: { interpreter: 'sh', text: 'cat "$1" -; ls "${1%/*}/.."', args: ['{file}'] },
      params: { file: { type: 'text', via: 'file' }, text: { type: 'text' } },
      stdin: '{text}',
      sandbox: { profile: 'pure' },
    }),
  };
}

let home: ProgramHome;
let program: Program;
let caller: Caller;
let plan: PryPlan;

async function listening(place: { path: string } | { port: number; host: string }): Promise<Server> {
  const server = createServer((socket) => socket.destroy()).listen(place);
  servers.push(server);
  await once(server, 'listening');
  return server;
}

/** Tries the program until its parent is the host that lives in a sandbox. */
function pryKept(name: string): Promise<Pried> {
  return eventually(async () => {
    const pried = JSON.parse((await caller.run(name, { plan: {} })).stdout) as Pried;
    return pried.parent === 2 && (JSON.parse((await caller.run(name, { plan })).stdout) as Pried);
  }, 20_000);
}

async function open(through: readonly string[] = []): Promise<void> {
  home = programHome({ settings: { SANDBOX: 'auto', PLAIN_SECRET: secret('environment') } });
  if (through.length > 0) for (const path of [home.folder, join(home.folder, 'commands'), folder, work]) chownSync(path, 65_534, 65_534);
  home.write('.env', `SOMETHING=${secret('dotenv')}\n`);
  home.declare(declarations(realpathSync(home.folder)));
  program = await home.serve({}, through);
  caller = await program.as(home.adminKey);
  writeFileSync(join(home.dataDir, 'secret'), secret('data'));
  for (const name of ['keeps.in', 'keeps.out']) {
    const args = { token: secret('otherRun'), file: secret('otherFile') };
    const { body } = await caller.post<RunEnvelope>('/run', { command: name, args }, { prefer: 'respond-async' });
    await eventually(async () => (await caller.get<RunEnvelope>(`/runs/${body.id}`)).body.stdout === 'ready\n');
  }
  const { hostname, port } = new URL(caller.url);
  const [abstract, socket] = [`\0${folder}`, join(other, 'socket')];
  const half = Math.floor(home.adminKey.length / 2);
  plan = {
    secrets: { ...SECRETS, admin: [home.adminKey.slice(0, half), home.adminKey.slice(half)] },
    places: [home.folder, join(home.dataDir, 'secret'), join(home.folder, '.env'), join(other, 'secret'), tmpdir()],
    folders: ['/', '/usr', '/usr/bin', '/etc', '/dev', '/proc', '/var', home.folder, other, work, '/tmp'],
    pids: [program.pid, process.pid, ...family(program.pid).map(({ pid }) => pid)],
    sockets: { gateway: { host: hostname, port: Number(port) }, abstract: { path: abstract }, socket: { path: socket } },
    koffi: KOFFI,
  };
  rmSync(join(work, 'pried'), { force: true });
}

const KINDS = { own: 'a sandbox of its own', kept: 'a sandbox that stays' };

async function expectHeld(profile: string, kind: keyof typeof KINDS): Promise<void> {
  if (kind === 'kept') return expectContained(await pryKept(`${profile}.kept`), profile, true);
  const run = await caller.run(`${profile}.own`, { plan });
  expect(run).toMatchObject({ outcome: { kind: 'exited', code: 0 }, stderr: '' });
  expectContained(JSON.parse(run.stdout) as Pried, profile, false);
}

const CAPABILITIES = Object.fromEntries(['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map((name) => [name, '0'.repeat(16)]));
const NOBODY = { Uid: '65534 65534 65534 65534', Gid: '65534 65534 65534 65534' };

function expectContained(pried: Pried, profile: string, isKept: boolean): void {
  expect(pried).toEqual({
    parent: isKept ? 2 : 1,
    workingFolder: '/',
    environment: ['HOME', 'LANG', 'PATH', ...(isKept ? [] : ['PWD']), 'TRACEPARENT'],
    secrets: [],
    written: profile === 'pure' ? ['/tmp'] : [work, '/tmp'],
    processes: isKept ? 3 : 2,
    signalled: [],
    connected: profile === 'network' ? ['gateway', 'abstract'] : [],
    rights: { ...NOBODY, ...CAPABILITIES, Groups: expect.any(String), NoNewPrivs: '1', Seccomp: '2' },
    kernel: [],
    gained: [],
  });
  const made = readdirSync(work);
  expect(made).toEqual(profile === 'pure' ? [] : ['pried']);
  for (const name of made) expect(statSync(join(work, name)).uid).toBe(statSync(`/proc/${program.pid}`).uid);
  for (const name of made) rmSync(join(work, name));
}

const AS_NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--'];
beforeAll(async () => {
  for (const path of [work, other]) mkdirSync(path, { recursive: true });
  writeFileSync(join(other, 'secret'), secret('undeclared'));
  await Promise.all([listening({ path: `\0${folder}` }), listening({ path: join(other, 'socket') })]);
});

describe('a hostile program', () => {
  beforeAll(() => open(), 60_000);

  for (const [profile, kind] of [
    ['pure', 'own'],
    ['workspace', 'own'],
    ['network', 'own'],
    ['pure', 'kept'],
    ['network', 'kept'],
  ] as const)
    contained(`gets nowhere: ${profile}, ${KINDS[kind]}`, () => expectHeld(profile, kind));

  contained('has the descriptors 0, 1 and 2 and no other, with and without stdin', async () => {
    for (const name of ['descriptors.own', 'descriptors.out', ...Array<string>(5).fill('descriptors.kept')]) {
      expect([name, (await caller.run(name)).stdout]).toEqual([name, '0\n1\n2\n']);
      expect([name, (await caller.run(name, { text: 'read' })).stdout]).toEqual([name, '0\n1\n2\nread']);
    }
  });

  contained('reads its private file and its stdin, and nobody else’s', async () => {
    const { stdout } = await caller.run('private.file', { file: 'in the file, ', text: 'on stdin\n' });
    const [text, ...folders] = stdout.trim().split('\n');
    expect([text, folders.length]).toEqual(['in the file, on stdin', 1]);
  });
});

describe('a hostile program of a gateway that is another user', () => {
  if (process.getuid?.() === 0) beforeAll(() => open(AS_NOBODY), 60_000);

  containedAsRoot('gets nowhere from a sandbox of its own', () => expectHeld('workspace', 'own'));
  containedAsRoot('gets nowhere from a sandbox that stays', () => expectHeld('workspace', 'kept'));

  containedAsRoot('cannot look into the gateway or an executor host, nor steer them, without a sandbox', async () => {
    // Hosts in sandboxes are in reach of whoever has the same user and is in none.
    const hosts = childrenOf(program.pid).filter((pid) => readFileSync(`/proc/${pid}/comm`, 'latin1').startsWith('sallyport-exec'));
    const search = { processesOnly: true, places: [], folders: [], pids: [program.pid, ...hosts] };
    const { parent, secrets, gained } = JSON.parse((await caller.run('outside', { plan: { ...plan, ...search } })).stdout) as Pried;
    expect(hosts).toContain(parent);
    // What other programs of the same user were given, it can read.
    expect(secrets.filter((found) => !/^otherRun in \/proc\/\d+\/environ$/.test(found))).toEqual([]);
    expect(gained.filter((gain) => /^(ptrace|memory)/.test(gain))).toEqual([]);
  });
});
