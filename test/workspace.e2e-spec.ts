import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect } from '@jest/globals';
import { TRIPWIRE_RULES } from '../src/domain/tripwire.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { command } from './kit/commands.js';
import { type Caller, type Declaration, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { Racer } from './kit/racer.js';
import { contained, containedAsRoot } from './kit/where.js';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-workspace-')));
afterEach(stopGateways);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const SECRET = 'nobody was to read this';
let lastCase = 0;
let folder: string;
let ws: string;

/** A workspace with a folder that another command shows, the data of the gateway deep in it, and a secret beside it. */
beforeEach(() => {
  folder = join(root, String(++lastCase));
  ws = join(folder, 'ws');
  mkdirSync(join(ws, 'shared/deep'), { recursive: true });
  mkdirSync(join(ws, 'app'));
  mkdirSync(join(folder, 'secrets/deep'), { recursive: true });
  for (const place of ['secrets/key', 'secrets/deep/key', 'beside']) writeFileSync(join(folder, place), SECRET);
});

const shell = (text: string, sandbox: object, differences: object = {}): Declaration =>
  command({
    script: { interpreter: 'sh', text, args: ['{a}'] },
    params: { a: { type: 'string', optional: true } },
    effect: 'change',
    // What does harm is what it is about.
    tripwire: { ignore: [...TRIPWIRE_RULES] },
    sandbox,
    ...differences,
  });

/** Does what it is told, in the workspace. */
const DO = 'eval "$1"';

async function open(commands: Readonly<Record<string, Declaration>>): Promise<{ gateway: TestGateway; caller: Caller }> {
  const gateway = await startGateway({ dataDir: join(ws, 'app/data'), commands, settings: { SANDBOX: 'auto' } });
  return { gateway, caller: await gateway.as('operator') };
}

const reader = () => shell('cat "$1"/key "$1"/deep/key "$1"/*; ls -A "$1"', { profile: 'pure', read: [join(ws, 'shared')] });
const writer = () => shell(DO, { profile: 'workspace', write: [ws] });

/** Its programs failed, or found nothing; the secret is nowhere. */
async function expectNoSecret(caller: Caller, name: string, args: Readonly<Record<string, unknown>>): Promise<RunEnvelope> {
  const run = await caller.run(name, args);
  expect(`${run.stdout}${run.stderr}`).not.toContain(SECRET);
  return run;
}

describe('a workspace', () => {
  contained('can be written to, and what is written belongs to the user of the gateway', async () => {
    const { caller } = await open({
      writer: writer(),
      elsewhere: shell('cd "$1" && touch made && pwd', { write: [ws] }, { cwd: join(ws, 'shared') }),
    });
    const run = await caller.run('writer', {
      a: `cd ${ws}; mkdir a; echo text > a/b; mv a/b a/c; ln a/c a/d; rm a/d; chmod 600 a/c; echo $?`,
    });
    expect(run).toMatchObject({ status: 'succeeded', stdout: '0\n' });
    expect(readFileSync(join(ws, 'a/c'), 'utf8')).toBe('text\n');
    const { uid, mode } = statSync(join(ws, 'a/c'));
    expect([uid, mode & 0o777]).toEqual([process.getuid?.(), 0o600]);
    expect(await caller.run('elsewhere', { a: '.' })).toMatchObject({ status: 'succeeded', stdout: `${join(ws, 'shared')}\n` });
    expect(existsSync(join(ws, 'shared/made'))).toBe(true);
  });

  contained('ends at its edge: nothing beside it can be written, by whatever way', async () => {
    const { caller } = await open({ writer: writer() });
    const before = readdirSync(folder);
    const ways = [
      `echo x > ${folder}/made`,
      `echo x > ${ws}/../made`,
      `ln -s .. ${ws}/up; echo x > ${ws}/up/made`,
      `ln -s ${folder} ${ws}/out; echo x > ${ws}/out/made`,
      `mv ${ws}/shared ${folder}/made`,
      `rm -rf ${folder}/secrets ${folder}/beside`,
      `cd ${ws} && mkdir -p x && cd x && mv ../x ../../made; echo x > ../made`,
      `for process in /proc/[0-9]*; do echo x > $process/root${folder}/made; echo x > $process/cwd${folder}/made; done`,
      `mount --bind ${ws} /mnt || mount -t tmpfs none ${folder} || unshare -Urm sh -c "mount --bind / ${ws}/x"`,
    ];
    for (const a of ways) await expectNoSecret(caller, 'writer', { a });
    expect(readdirSync(folder)).toEqual(before);
    expect(readFileSync(join(folder, 'beside'), 'utf8')).toBe(SECRET);
  });

  contained('gives no way to files that were linked into it', async () => {
    symlinkSync(join(folder, 'secrets'), join(ws, 'absolute'));
    symlinkSync('../secrets', join(ws, 'relative'));
    symlinkSync('../../../secrets/key', join(ws, 'shared/deep/file'));
    const path = { type: 'path', root: ws };
    const jailed = command({ exec: ['cat', '{path}'], params: { path }, effect: 'read', sandbox: { profile: 'pure' } });
    const { caller } = await open({ reader: reader(), writer: writer(), jailed });
    for (const link of ['absolute', 'relative', 'shared/deep']) await expectNoSecret(caller, 'reader', { a: join(ws, link) });
    await expectNoSecret(caller, 'writer', {
      a: `cat ${ws}/absolute/key ${ws}/relative/key ${ws}/shared/deep/file; cp -rL ${ws}/relative ${ws}/copy`,
    });
    expect((await caller.refused({ command: 'jailed', args: { path: 'absolute/key' } })).code).toBe('invalid_arguments');
  });
});

describe('the data of the gateway in a workspace', () => {
  contained('is not seen, not reached by a hard link, and stays when the folders around it are moved', async () => {
    const { gateway, caller } = await open({ writer: writer(), reader: shell(DO, { profile: 'pure', read: [ws] }) });
    writeFileSync(join(gateway.dataDir, 'key'), SECRET);
    const data = gateway.dataDir;
    const ways = [
      `cat ${data}/key ${data}/*; ls -A ${data}`,
      `ln ${data}/key ${ws}/hard; cat ${ws}/hard`,
      `ln -s ${data} ${ws}/soft; cat ${ws}/soft/key`,
      `umount ${data}; rm -rf ${data}; mv ${data} ${ws}/moved; cat ${ws}/moved/key`,
      `mv ${ws}/app ${ws}/moved; mkdir -p ${data}; cat ${ws}/moved/data/key`,
      `rmdir ${ws}/app/data ${ws}/app; rm -rf ${ws}/app; cat ${data}/key`,
    ];
    for (const a of ways) await expectNoSecret(caller, 'writer', { a });
    for (const a of [`cat ${ws}/moved/data/key`, `cat ${ws}/hard ${ws}/soft/key ${data}/key; ls -A ${data}`, `cat ${ws}/app/data/*`]) {
      const { stdout } = await expectNoSecret(caller, 'reader', { a });
      expect(stdout).toBe('');
    }
    expect(readFileSync(join(data, 'key'), 'utf8')).toBe(SECRET);
    expect((await caller.get('/ready')).status).toBe(200);
  });

  containedAsRoot('is not seen below a folder of the system either', async () => {
    const place = mkdtempSync('/usr/local/sallyport-test-');
    try {
      const commands = { reader: shell(DO, { profile: 'pure' }) };
      const gateway = await startGateway({ dataDir: join(place, 'data'), commands, settings: { SANDBOX: 'auto' } });
      writeFileSync(join(gateway.dataDir, 'key'), SECRET);
      await expectNoSecret(await gateway.as('operator'), 'reader', { a: `cat ${gateway.dataDir}/key` });
    } finally {
      rmSync(place, { recursive: true });
    }
  });
});

describe('a folder that one command shows and another may write around', () => {
  contained('cannot be moved by it, nor replaced by a link', async () => {
    const { caller } = await open({ writer: writer(), reader: reader() });
    const ways = [
      `rm -r ${ws}/shared; ln -s ../secrets ${ws}/shared`,
      `mv ${ws}/shared ${ws}/aside; ln -s ../secrets ${ws}/shared`,
      `ln -sfT ../secrets ${ws}/shared`,
      `mv --exchange ${ws}/shared ${ws}/app`,
    ];
    for (const a of ways) {
      expect((await caller.run('writer', { a })).stderr).toMatch(/busy|not permitted|cannot|unrecognized/i);
      await expectNoSecret(caller, 'reader', { a: join(ws, 'shared') });
    }
    expect(await caller.run('writer', { a: `echo text > ${ws}/shared/file` })).toMatchObject({ status: 'succeeded' });
    expect((await caller.run('reader', { a: join(ws, 'shared') })).stdout).toContain('text\n');
  });

  contained('is not followed when somebody else has put a link there', async () => {
    const { caller } = await open({ writer: writer(), reader: reader() });
    rmSync(join(ws, 'shared'), { recursive: true });
    symlinkSync('../secrets', join(ws, 'shared'));
    for (const name of ['reader', 'writer']) {
      const run = await expectNoSecret(caller, name, { a: `cat ${ws}/shared/key` });
      const reason = 'a folder of its sandbox is not what it was when the catalogue was loaded';
      expect(run.outcome).toEqual({ kind: 'failed_to_start', reason });
    }
  });

  contained('is not followed while somebody else swaps it for a link all the time', async () => {
    const { caller } = await open({ reader: reader(), kept: { ...reader(), limits: { concurrent: 4 } } });
    const racer = await Racer.start(join(ws, 'shared'), '../secrets');
    try {
      const until = performance.now() + 1_500;
      while (performance.now() < until)
        await Promise.all(['reader', 'reader', 'kept', 'kept'].map((name) => expectNoSecret(caller, name, { a: join(ws, 'shared') })));
    } finally {
      await racer.stop();
    }
  });
});
