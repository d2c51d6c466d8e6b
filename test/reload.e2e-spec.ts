import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import { generateKey } from '../src/auth/key-format.js';
import type { SettingView } from '../src/config/live-settings.js';
import type { AuditEntry, Page } from '../src/domain/audit.js';
import { GatewayError, type Problem } from '../src/domain/errors.js';
import type { HealthDetails } from '../src/health/health-details.js';
import type { ReloadReport } from '../src/reload/reload.service.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { temporaryFolder } from './kit/catalogue-of.js';
import { command, drip, exits, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import {
  type Answer,
  type Caller,
  type Declaration,
  type GatewayOptions,
  startGateway,
  stopGateways,
  type TestGateway,
} from './kit/gateway.js';
import { type Scrape, parseScrape } from './kit/scrape.js';

const says = (word: string, more: Declaration = {}) => command({ exec: ['echo', word], ...more });
const catalogueOf = (commands: Readonly<Record<string, Declaration>>) => stringify({ commands }, { aliasDuplicateObjects: false });

interface Place {
  readonly gateway: TestGateway;
  readonly admin: Caller;
  /** The one file of the catalogue. */
  readonly file: string;
}

/** A gateway that reloads when it is told, and not by itself. */
async function place(commands: Readonly<Record<string, Declaration>>, options: GatewayOptions = {}): Promise<Place> {
  const gateway = await startGateway({ ...options, commands, settings: { CONFIG_WATCH: 'false', ...options.settings } });
  return { gateway, admin: await gateway.as('admin'), file: join(gateway.folder, 'commands', 'test.yaml') };
}

function reload<Body = ReloadReport>({ admin }: Place): Promise<Answer<Body>> {
  return admin.post<Body>('/config/reload');
}

async function scrape({ admin }: Place): Promise<Scrape> {
  return parseScrape((await admin.get<string>('/metrics')).body);
}

/** As it is now: what was found a moment ago is shown to all who ask. */
async function health({ admin }: Place): Promise<HealthDetails> {
  const now = new Date().toISOString();
  return eventually(async () => {
    const { body } = await admin.get<HealthDetails>('/health/details');
    return Object.values(body.services).every(({ checked_at }) => checked_at >= now) && body;
  });
}

async function newestEntry({ admin }: Place): Promise<AuditEntry | undefined> {
  return (await admin.get<Page<AuditEntry>>('/audit?action=config.reloaded&limit=1')).body.items[0];
}

describe('a reload', () => {
  afterEach(stopGateways);

  it('puts another catalogue in force at every door, says what changed and records it with the digest [H12]', async () => {
    const at = await place({ stays: says('same'), say: says('one', { phrases: ['tell me'], cache: '1h' }), goes: exits });
    const { admin } = at;
    expect((await admin.run('say')).stdout).toBe('one\n');
    writeFileSync(at.file, catalogueOf({ stays: says('same'), say: says('two', { phrases: ['do tell'], cache: '1h' }), comes: exits }));
    const { status, body } = await reload(at);
    expect(status).toBe(200);
    const names = { added: ['comes'], changed: ['say'], removed: ['goes'] };
    expect(body).toMatchObject({ result: 'applied', catalogue: { ...names, commands: 3 }, settings: { applied: [], needsRestart: [] } });
    expect(await admin.run('say')).toMatchObject({ stdout: 'two\n', cached: false });
    expect((await admin.post<RunEnvelope>('/run', { text: 'do tell' })).body.stdout).toBe('two\n');
    expect((await admin.refused({ text: 'tell me' })).code).toBe('command_unknown');
    expect((await admin.refused({ command: 'goes' })).code).toBe('command_unknown');
    expect((await admin.get('/commands/comes')).status).toBe(200);
    const openapi = JSON.stringify((await admin.get('/openapi.json')).body);
    expect([openapi.includes('Run.comes'), openapi.includes('Run.goes')]).toEqual([true, false]);
    const entry = await newestEntry(at);
    expect(entry?.principalId).not.toBe('local');
    expect(entry?.details).toMatchObject({ ...names, trigger: 'request', catalogue: body.catalogue.digest });
    expect((await admin.get('/audit/verify')).body).toMatchObject({ ok: true });
  });

  it('that finds nothing new says so, keeps the commands and what they know, and is recorded for who asked', async () => {
    const at = await place({ say: says('one', { cache: '1h' }) });
    await at.admin.run('say');
    expect((await reload(at)).body).toMatchObject({ result: 'unchanged', catalogue: { added: [], changed: [], removed: [] } });
    expect(await at.admin.run('say')).toMatchObject({ cached: true });
    expect((await newestEntry(at))?.details).toMatchObject({ result: 'unchanged' });
  });

  it('leaves runs the command that they started with, those that wait too [H12]', async () => {
    const slow = { ...drip, limits: { concurrent: 1 } };
    const at = await place({ slow });
    const started = [1, 2].map(() => at.admin.run('slow', { count: 3, gap: '0.2' }));
    await eventually(async () => (await scrape(at)).value('runs_queued') === 1);
    writeFileSync(at.file, catalogueOf({ slow: says('new'), other: exits }));
    expect((await reload(at)).body.result).toBe('applied');
    expect((await at.admin.run('slow')).stdout).toBe('new\n');
    for (const run of await Promise.all(started)) expect(run.stdout).toBe('drip 1\ndrip 2\ndrip 3\n');
  });

  it('takes an admin key, and so does looking at the configuration', async () => {
    const { gateway } = await place({ exits });
    for (const role of ['readonly', 'operator'] as const) {
      const caller = await gateway.as(role);
      expect([(await caller.get('/config')).status, (await caller.post('/config/reload')).status]).toEqual([403, 403]);
    }
    expect((await gateway.anonymous().post('/config/reload')).status).toBe(401);
  });

  it('that cannot be recorded changes nothing', async () => {
    const at = await place({ say: says('one') });
    const { db } = at.gateway.server.gateway.parts;
    const commit = db.commit.bind(db);
    db.commit = () => Promise.reject(new GatewayError('storage_unavailable', 'The disk of this test is full.'));
    writeFileSync(at.file, catalogueOf({ say: says('two') }));
    const { status, body } = await reload<Problem>(at);
    expect([status, body.code]).toEqual([503, 'storage_unavailable']);
    db.commit = commit;
    expect((await at.admin.run('say')).stdout).toBe('one\n');
    expect(await health(at)).toMatchObject({ status: 'degraded', last_reload: { result: 'failed' } });
    expect((await reload(at)).body.result).toBe('applied');
    expect((await at.admin.run('say')).stdout).toBe('two\n');
    expect((await health(at)).status).toBe('healthy');
  });

  it('never mixes two versions of files that are swapped while they are read [H12]', async () => {
    const at = await place({ exits });
    const folder = join(at.file, '..');
    const names = Array.from({ length: 12 }, (_, index) => `part${index}`);
    const swap = (version: number) => {
      const made = `..v${version}`;
      mkdirSync(join(folder, made));
      for (const name of names)
        writeFileSync(join(folder, made, `${name}.yaml`), catalogueOf({ [name]: says('x', { summary: `version ${version}` }) }));
      symlinkSync(made, join(folder, '..tmp'));
      renameSync(join(folder, '..tmp'), join(folder, '..data'));
    };
    swap(0);
    rmSync(at.file);
    for (const name of names) symlinkSync(`..data/${name}.yaml`, join(folder, `${name}.yaml`));
    let results = { applied: 0, unsettled: 0 };
    const enough = new AbortController();
    const swaps = (async () => {
      for (let version = 1; !enough.signal.aborted; version++) {
        swap(version);
        // Most of the time longer than it takes to read them, and never in step with it.
        await delay(25 + ((version * 7) % 30));
      }
    })();
    try {
      for (let asked = 0; asked < 12; asked++) {
        const { status, body } = await reload<ReloadReport & Problem>(at);
        results = status === 200 ? { ...results, applied: results.applied + 1 } : { ...results, unsettled: results.unsettled + 1 };
        if (status !== 200) expect(body.errors).toEqual([{ path: 'files', message: 'change while they are read' }]);
        const { items } = (await at.admin.get<{ items: { summary: string }[] }>('/commands')).body;
        if (results.applied > 0) expect([items.length, new Set(items.map(({ summary }) => summary)).size]).toEqual([names.length, 1]);
      }
    } finally {
      enough.abort();
      await swaps;
    }
    expect(results.applied).toBeGreaterThan(0);
  });

  it('sees new values of variables, though no version changes with them', async () => {
    const at = await place(
      { say: command({ exec: ['printenv', 'WORD'], env: { WORD: '${WORD:-none}' }, cache: '1h' }) },
      { settings: { ENVIRONMENT: 'development' } },
    );
    expect((await at.admin.run('say')).stdout).toBe('none\n');
    writeFileSync(join(at.gateway.folder, '.env'), 'WORD=given\n');
    expect((await reload(at)).body.catalogue.changed).toEqual(['say']);
    expect((await at.admin.run('say')).stdout).toBe('given\n');
  });
});

describe('a reload of a file that is', () => {
  const lines: string[] = [];
  let at: Place;
  beforeAll(async () => void (at = await place({ say: says('one') }, { onLog: (line) => lines.push(line) })));
  afterAll(stopGateways);

  const whole = catalogueOf({ say: says('two') });
  /** What happens to the file of the catalogue, and what the answer says of it. */
  const spoilt: readonly [string, (file: string) => void, RegExp][] = [
    ['broken', (file) => writeFileSync(file, 'commands: { say: ['), /^test\.yaml:1:\d+ /],
    ['empty', (file) => writeFileSync(file, ''), /^test\.yaml:1:1 .*expected `commands:`/],
    ['half-written', (file) => writeFileSync(file, whole.slice(0, whole.length - 25)), /^test\.yaml:\d+:\d+ /],
    ['no text', (file) => writeFileSync(file, Buffer.from([0xc3, 0x28])), /^test\.yaml expected a file of UTF-8 text/],
    ['too large', (file) => writeFileSync(file, '#'.repeat(1024 ** 2 + 1)), /^test\.yaml is larger than 1 MiB/],
    ['renamed', (file) => renameSync(file, `${file}.off`), /^commands there is no catalogue file/],
    ['a symlink to nowhere', (file) => (rmSync(file), symlinkSync('/nowhere', file)), /^test\.yaml expected a file of UTF-8 text/],
    ['a symlink to itself', (file) => (rmSync(file), symlinkSync(file, file)), /^test\.yaml expected a file of UTF-8 text/],
    ['a pipe that nobody writes to', (file) => (rmSync(file), spawnSync('mkfifo', [file])), /^test\.yaml is not a file/],
    ['a folder', (file) => (rmSync(file), mkdirSync(file)), /^test\.yaml is not a file/],
    ['gone with its folder', (file) => rmSync(join(file, '..'), { recursive: true }), /^commands expected a folder/],
    ['a bomb of aliases', (file) => writeFileSync(file, 'a: &a [x, x]\nb: &b [*a, *a]\ncommands: { say: *b }\n'), /^test\.yaml:\d+:\d+ /],
    [
      'about a program that is not there',
      (file) => writeFileSync(file, catalogueOf({ say: says('x', { exec: ['no-such-program'] }) })),
      /not installed/,
    ],
  ];

  it.each(spoilt)('%s keeps the last good catalogue and tells the mistake, until it is mended [T58]', async (_, spoil, told) => {
    const warnings = () => lines.filter((line) => line.includes('configuration not reloaded for its mistakes')).length;
    const rejections = async () => (await scrape(at)).value('config_reloads_total', { result: 'rejected' });
    const before = { warnings: warnings(), rejections: await rejections(), entry: await newestEntry(at) };
    spoil(at.file);
    const { status, body } = await reload<Problem>(at);
    expect([status, body.code]).toEqual([422, 'configuration_mistaken']);
    expect((body.errors ?? []).map(({ path, message }) => `${path} ${message}`).join('\n')).toMatch(told);
    expect(JSON.stringify(body)).not.toContain(at.gateway.folder);
    expect((await at.admin.run('say')).stdout).toBe('one\n');
    expect(await health(at)).toMatchObject({ status: 'degraded', last_reload: { result: 'rejected', mistakes: expect.any(Number) } });
    expect((await at.admin.get('/ready')).status).toBe(200);
    expect(await rejections()).toBe(before.rejections + 1);
    expect((await scrape(at)).value('config_last_reload_success')).toBe(0);
    expect(warnings()).toBe(before.warnings + 1);
    expect(await newestEntry(at)).toEqual(before.entry);

    rmSync(at.file, { recursive: true, force: true });
    mkdirSync(join(at.file, '..'), { recursive: true });
    writeFileSync(at.file, whole);
    expect((await reload(at)).body.result).toBe('applied');
    expect((await at.admin.run('say')).stdout).toBe('two\n');
    expect(await health(at)).toMatchObject({ status: 'healthy', last_reload: { result: 'applied', mistakes: 0 } });
    expect((await scrape(at)).value('config_last_reload_success')).toBe(1);
    writeFileSync(at.file, catalogueOf({ say: says('one') }));
    await reload(at);
  });
});

describe('settings', () => {
  afterEach(stopGateways);

  const write = ({ gateway }: Place, text: string) => writeFileSync(join(gateway.folder, 'sallyport.yaml'), text);
  const shown = async ({ admin }: Place, name: string) =>
    (await admin.get<{ settings: SettingView[] }>('/config')).body.settings.find((setting) => setting.name === name);

  it('are shown as they are in effect, with their source, secrets redacted', async () => {
    const key = generateKey().text;
    const secretFile = join(temporaryFolder(), 'key');
    writeFileSync(secretFile, key);
    const options = { settings: { RUN_TIMEOUT: '7s', ADMIN_KEY_FILE: secretFile } };
    const { gateway, file } = await place({ exits }, options);
    const at = { gateway, file, admin: gateway.with(key) };
    expect(await shown(at, 'RUN_TIMEOUT')).toEqual({
      name: 'RUN_TIMEOUT',
      value: '7s',
      source: 'environment',
      reloadable: true,
      needsRestart: false,
    });
    expect(await shown(at, 'BODY_LIMIT')).toMatchObject({ value: '1MiB', source: 'default', reloadable: false });
    expect(await shown(at, 'CORS_ORIGINS')).toMatchObject({ value: null, source: 'unset' });
    expect(await shown(at, 'ADMIN_KEY')).toMatchObject({ value: '[redacted]', source: 'secret file' });
    const other = generateKey().text;
    writeFileSync(secretFile, other);
    write(at, 'QUEUE_LIMIT: 7\n');
    expect((await reload(at)).body.settings).toEqual({ applied: ['QUEUE_LIMIT'], needsRestart: ['ADMIN_KEY'] });
    expect(await shown(at, 'QUEUE_LIMIT')).toMatchObject({ value: '7', source: 'sallyport.yaml' });
    const everything = [await at.admin.get('/config'), await at.admin.get('/audit')].map(({ body }) => JSON.stringify(body)).join();
    for (const secret of [key, other]) expect(everything).not.toContain(secret);
  });

  it('that may change at run time do; the others are named, until they are as they were', async () => {
    const lines: string[] = [];
    const at = await place({ sleeper, exits }, { settings: { RATE_LIMIT_ENABLED: '' }, onLog: (line) => lines.push(line) });
    const waiting = [1, 2].map(() => at.admin.post<RunEnvelope>('/run', { command: 'sleeper' }, { prefer: 'respond-async' }));
    const runs = (await Promise.all(waiting)).map(({ body }) => body.id);
    write(at, 'RATE_LIMIT_PER_KEY: 7/d\nRUN_TIMEOUT: 3s\nBODY_LIMIT: 2MiB\nMETRICS_ACCESS: key\nLOG_LEVEL: error\n');
    const { body } = await reload(at);
    expect(body.settings).toEqual({
      applied: ['RATE_LIMIT_PER_KEY', 'RUN_TIMEOUT', 'LOG_LEVEL', 'METRICS_ACCESS'],
      needsRestart: ['BODY_LIMIT'],
    });
    const told = lines.length;
    const answer = await at.admin.get<{ timeoutMs: number }>('/commands/exits');
    expect(answer.headers.get('ratelimit-policy')).toContain('"key";q=7;w=86400');
    expect(answer.body.timeoutMs).toBe(3_000);
    expect((await at.gateway.anonymous().get('/metrics')).status).toBe(401);
    expect(lines).toHaveLength(told);
    expect(await shown(at, 'BODY_LIMIT')).toMatchObject({ value: '1MiB', needsRestart: true });
    write(at, '');
    expect((await reload(at)).body.settings).toMatchObject({ needsRestart: [] });
    expect(await shown(at, 'BODY_LIMIT')).toMatchObject({ value: '1MiB', needsRestart: false });
    expect((await at.gateway.anonymous().get('/metrics')).status).toBe(200);
    await eventually(() => lines.some((line) => line.includes('"GET","route":"/metrics"')));
    for (const id of runs) await at.admin.post(`/runs/${id}/cancel`);
  });

  it('that give more slots let those who wait go on', async () => {
    const at = await place({ sleeper }, { settings: { MAX_CONCURRENT_RUNS: '' } });
    write(at, 'MAX_CONCURRENT_RUNS: 1\n');
    await reload(at);
    const start = () => at.admin.post<RunEnvelope>('/run', { command: 'sleeper' }, { prefer: 'respond-async' });
    const [first, second] = [await start(), await start()];
    const statusOf = async (id: string) => (await at.admin.get<RunEnvelope>(`/runs/${id}`)).body.status;
    await eventually(async () => (await statusOf(first.body.id)) === 'running');
    expect(await statusOf(second.body.id)).toBe('queued');
    write(at, 'MAX_CONCURRENT_RUNS: 2\n');
    await reload(at);
    await eventually(async () => (await statusOf(second.body.id)) === 'running');
    for (const { body } of [first, second]) await at.admin.post(`/runs/${body.id}/cancel`);
  });

  it('with mistakes keep the catalogue back too, and no value is told', async () => {
    const at = await place({ say: says('one') });
    writeFileSync(at.file, catalogueOf({ say: says('two') }));
    write(at, 'RUN_TIMEOUT: canary-1\nNO_SUCH_SETTING: canary-2\n');
    const { status, body } = await reload<Problem>(at);
    expect(status).toBe(422);
    expect((body.errors ?? []).map(({ path, message }) => `${path} ${message}`)).toEqual([
      expect.stringContaining('settings sallyport.yaml: there is no setting of the name "NO_SUCH_SETTING"'),
      expect.stringContaining('settings RUN_TIMEOUT (sallyport.yaml): expected a duration'),
    ]);
    expect(JSON.stringify(body)).not.toContain('canary');
    expect((await at.admin.run('say')).stdout).toBe('one\n');
    write(at, 'RUN_TIMEOUT: 5s\n');
    expect((await reload(at)).body).toMatchObject({ catalogue: { changed: ['say'] }, settings: { applied: ['RUN_TIMEOUT'] } });
  });

  it('in a pipe are a mistake, and hold up nobody', async () => {
    const at = await place({ exits });
    spawnSync('mkfifo', [join(at.gateway.folder, 'sallyport.yaml')]);
    expect((await reload<Problem>(at)).body.errors).toEqual([
      { path: 'settings', message: 'sallyport.yaml: expected a file that can be read' },
    ]);
  });
});
