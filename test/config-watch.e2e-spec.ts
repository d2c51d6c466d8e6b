import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import type { AuditEntry, Page } from '../src/domain/audit.js';
import type { HealthDetails } from '../src/health/health-details.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { command } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import type { Caller } from './kit/gateway.js';
import { type Program, type ProgramHome, programHome, removeHomes } from './kit/program.js';

/** The catalogue in which `say` says this word. */
const catalogueOf = (word: string) => stringify({ commands: { say: command({ exec: ['echo', word] }) } });

interface Served {
  readonly home: ProgramHome;
  readonly server: Program;
  readonly admin: Caller;
}

async function serve(home: ProgramHome): Promise<Served> {
  const server = await home.serve();
  return { home, server, admin: await server.as(home.adminKey) };
}

async function said({ admin }: Served): Promise<string> {
  return (await admin.post<RunEnvelope>('/run', { command: 'say' })).body.stdout.trim();
}

/** Once a second it looks, twice when there is something; the rest is for a machine that has other things to do. */
async function comesToSay(at: Served, word: string): Promise<void> {
  await eventually(async () => (await said(at)) === word, 15_000, 50);
}

async function comesToBe({ admin }: Served, status: HealthDetails['status']): Promise<void> {
  await eventually(async () => (await admin.get<HealthDetails>('/health/details')).body.status === status, 15_000, 50);
}

describe('a gateway that watches its configuration', () => {
  let at: Served;
  const inHome = (...names: string[]) => join(at.home.folder, ...names);
  beforeAll(async () => {
    const home = programHome({ settings: { CONFIG_WATCH: 'true' } });
    home.write('commands/test.yaml', catalogueOf('start'));
    at = await serve(home);
    expect(await said(at)).toBe('start');
  });
  afterAll(removeHomes);

  it('takes over a file that is written in place, and one that is renamed over it', async () => {
    writeFileSync(inHome('commands', 'test.yaml'), catalogueOf('in place'));
    await comesToSay(at, 'in place');
    writeFileSync(inHome('beside'), catalogueOf('renamed'));
    renameSync(inHome('beside'), inHome('commands', 'test.yaml'));
    await comesToSay(at, 'renamed');
    const { items } = (await at.admin.get<Page<AuditEntry>>('/audit?action=config.reloaded')).body;
    expect(items.map(({ principalId, details }) => [principalId, details['trigger'], details['changed']])).toEqual([
      ['local', 'watch', ['say']],
      ['local', 'watch', ['say']],
    ]);
  });

  it('takes over what Kubernetes does to a ConfigMap, again and again [T58]', async () => {
    rmSync(inHome('commands', 'test.yaml'));
    let before: string | undefined;
    for (const version of ['v1', 'v2', 'v3']) {
      mkdirSync(inHome('commands', `..${version}`));
      writeFileSync(inHome('commands', `..${version}`, 'test.yaml'), catalogueOf(version));
      symlinkSync(`..${version}`, inHome('commands', '..data_tmp'));
      renameSync(inHome('commands', '..data_tmp'), inHome('commands', '..data'));
      if (before === undefined) symlinkSync('..data/test.yaml', inHome('commands', 'test.yaml'));
      else rmSync(inHome('commands', `..${before}`), { recursive: true });
      before = version;
      await comesToSay(at, version);
    }
  });

  it('takes over a folder that is a link elsewhere, and a link that points elsewhere by now', async () => {
    for (const release of ['one', 'two']) {
      mkdirSync(inHome('releases', release), { recursive: true });
      writeFileSync(inHome('releases', release, 'test.yaml'), catalogueOf(release));
    }
    rmSync(inHome('commands'), { recursive: true });
    symlinkSync('releases/one', inHome('commands'));
    await comesToSay(at, 'one');
    symlinkSync('releases/two', inHome('current'));
    renameSync(inHome('current'), inHome('commands'));
    await comesToSay(at, 'two');
  });

  it('goes on with what it has while the folder is gone, and takes over the one that is made anew', async () => {
    rmSync(inHome('commands'));
    await comesToBe(at, 'degraded');
    expect(await said(at)).toBe('two');
    mkdirSync(inHome('commands'));
    writeFileSync(inHome('commands', 'test.yaml'), catalogueOf('anew'));
    await comesToSay(at, 'anew');
  });

  it('goes on with what it has while a file is half-written, tells so once, and takes it over when it is whole [T58]', async () => {
    const text = `${catalogueOf('whole')}# the end\n`;
    const told = () =>
      at.server.log().filter(({ message }) => message === 'configuration not reloaded for its mistakes: the last good one stays');
    const before = told().length;
    writeFileSync(inHome('commands', 'test.yaml'), text.slice(0, 30));
    await comesToBe(at, 'degraded');
    expect(await said(at)).toBe('anew');
    writeFileSync(inHome('commands', 'test.yaml'), text);
    await comesToSay(at, 'whole');
    expect(told()).toHaveLength(before + 1);
    expect(JSON.stringify(told().at(-1)?.['mistakes'])).toContain('test.yaml:');
    await comesToBe(at, 'healthy');
  });

  it('takes over settings, when their file appears, changes and goes', async () => {
    const timeout = async () => (await at.admin.get<{ timeoutMs: number }>('/commands/say')).body.timeoutMs;
    for (const [text, timeoutMs] of [
      ['5s', 5_000],
      ['6min', 360_000],
    ] as const) {
      at.home.write('sallyport.yaml', `RUN_TIMEOUT: ${text}\n`);
      await eventually(async () => (await timeout()) === timeoutMs, 15_000, 50);
    }
    rmSync(inHome('sallyport.yaml'));
    await eventually(async () => (await timeout()) === 30_000, 15_000, 50);
  });

  it('still serves when it is told to end, and ends', async () => {
    expect(await at.server.end('SIGTERM')).toMatchObject({ code: 0 });
  });
});

describe('a gateway that gets a HUP', () => {
  let at: Served;
  beforeAll(async () => {
    const home = programHome({ settings: { CONFIG_WATCH: 'false' } });
    home.write('commands/test.yaml', catalogueOf('start'));
    at = await serve(home);
  });
  afterAll(removeHomes);

  it('takes over the files, and says so', async () => {
    at.home.write('commands/test.yaml', catalogueOf('told'));
    at.server.kill('SIGHUP');
    await comesToSay(at, 'told');
    await eventually(() => at.server.log().some(({ message, trigger }) => message === 'configuration reloaded' && trigger === 'signal'));
    const [entry] = (await at.admin.get<Page<AuditEntry>>('/audit?action=config.reloaded')).body.items;
    expect(entry).toMatchObject({ principalId: 'local', details: { trigger: 'signal', result: 'applied', changed: ['say'] } });
  });

  it('goes on with what it has when they are mistaken, and says why', async () => {
    at.home.write('commands/test.yaml', 'commands: [');
    at.server.kill('SIGHUP');
    await eventually(() =>
      at.server.log().some(({ level, trigger, mistakes }) => level === 'warn' && trigger === 'signal' && mistakes !== undefined),
    );
    expect(await said(at)).toBe('told');
    await comesToBe(at, 'degraded');
  });

  it('does not look by itself when it was told not to', async () => {
    at.home.write('commands/test.yaml', catalogueOf('unasked'));
    const before = await at.admin.get<{ lastReload: unknown }>('/config');
    const lookedTwice = performance.now() + 2_500;
    await eventually(
      async () => ((await said(at)) === 'unasked' ? Promise.reject(new Error('it looked')) : performance.now() > lookedTwice),
      5_000,
      100,
    );
    expect((await at.admin.get<{ lastReload: unknown }>('/config')).body.lastReload).toEqual(before.body.lastReload);
  });

  it('while it starts, waits until it has started', async () => {
    await at.server.end('SIGTERM');
    const server = at.home.start(['serve'], {});
    await eventually(() => server.log().some(({ message }) => message === 'containment of programs'), 30_000);
    server.kill('SIGHUP');
    expect(await said({ ...at, server, admin: await server.as(at.home.adminKey) })).toBe('unasked');
    await eventually(() =>
      server.log().some(({ message, trigger }) => message === 'nothing new in the configuration' && trigger === 'signal'),
    );
    expect(await server.end('SIGTERM')).toMatchObject({ code: 0, signal: null });
  });
});
