import { createHash, randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { AuditEntry, Page } from '../src/domain/audit.js';
import type { ErrorCode, Problem } from '../src/domain/errors.js';
import { secretForms } from '../src/redaction/secret-forms.js';
import type { BatchItem } from '../src/runs/batch.service.js';
import type { RunEnvelope, RunSummary } from '../src/runs/run-envelope.js';
import type { SecretSummary } from '../src/secrets/secret.service.js';
import { command } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';

/** Secrets of this run of the tests, one for each way to a program. */
const canary = (): string => `Canary/${randomBytes(18).toString('base64')}&"`;
const TOKEN = canary();
const PASSWORD = canary();
const KEY = `${canary()}\n${canary()}\n`;
const CANARIES = [TOKEN, PASSWORD, ...KEY.trim().split('\n')];

const digest = (value: string): string => createHash('sha256').update(value).digest('hex');

/** Says what it got by a digest, which nobody masks, and then every way it can think of. */
const TELLS = `
  printf %s "$TOKEN" | sha256sum
  read_all=$(cat; printf x); printf %s "\${read_all%x}" | sha256sum
  sha256sum < "$1"
  printf '%s\\n' "$TOKEN" "\${read_all%x}"; cat "$1"
  for value in "$TOKEN" "\${read_all%x}"; do printf %s "$value" | base64 -w 0; echo; printf %s "$value" | base64; printf %s "$value" | od -An -v -tx1 | tr -d ' \\n'; echo; done
  base64 -w 0 "$1"; echo
  { printf %s "$TOKEN" | cut -c -9 | tr -d '\\n'; sleep 0.05; printf '%s\\n' "$TOKEN" | cut -c 10-; tr '\\0' '\\n' < "/proc/$$/environ"; cat "$1"; } >&2
`;
const tells = command({
  script: { interpreter: 'sh', text: TELLS, args: ['{KEY}'] },
  secrets: { TOKEN: { env: true }, PASSWORD: { stdin: true }, KEY: { file: true } },
});
/** Reads its private file when another file is there. */
const waits = command({
  script: { interpreter: 'sh', text: 'until [ -e "$1" ]; do sleep 0.02; done; sha256sum < "$2"', args: ['{marker}', '{KEY}'] },
  params: { marker: { type: 'path', root: tmpdir() } },
  secrets: { KEY: { file: true } },
});
const named = command({
  script: { interpreter: 'sh', text: 'printf %s "$OTHER_NAME" | sha256sum' },
  secrets: { TOKEN: { env: 'OTHER_NAME' } },
});
const needs = command({ exec: ['true'], effect: 'change', secrets: { NOT_SET: { env: true }, TOKEN: { stdin: true } } });
const COMMANDS = { tells, waits, named, needs };

afterAll(stopGateways);

async function set(caller: Caller, name: string, value: string): Promise<SecretSummary> {
  const { status, body } = await caller.request<SecretSummary>('PUT', `/secrets/${name}`, { body: { value } });
  expect([name, status]).toEqual([name, 200]);
  return body;
}

function expectRefused(answer: { status: number; body: unknown }, code: ErrorCode): Problem {
  expect(answer.body).toMatchObject({ code, status: answer.status });
  return answer.body as Problem;
}

/** The lines of digests that `tells` begins with. */
const digests = (stdout: string): string[] => [...stdout.matchAll(/^([0-9a-f]{64}) {2}-$/gm)].map(([, text = '']) => text);
const TOLD = [digest(TOKEN), digest(PASSWORD), digest(KEY)];

/** None of them, in no form, and not the first half of one. */
function expectClean(where: string, text: string): void {
  const forms = [...secretForms(CANARIES), ...CANARIES.map((value) => value.slice(0, 20))];
  for (const form of forms) expect([where, form, text.includes(form)]).toEqual([where, form, false]);
}

function filesIn(folder: string): [string, string][] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => [name, readFileSync(join(parentPath, name), 'latin1')]);
}

describe('a secret for commands', () => {
  let gateway: TestGateway;
  let admin: Caller;
  const log: string[] = [];

  beforeAll(async () => {
    gateway = await startGateway({ commands: COMMANDS, settings: { LOG_LEVEL: 'trace' }, onLog: (line) => void log.push(line) });
    admin = await gateway.as('admin');
    for (const [name, value] of Object.entries({ TOKEN, PASSWORD, KEY })) await set(admin, name, value);
  });

  it('reaches its program by env, stdin or a private file, through every door, and nobody else (T40)', async () => {
    const run = await admin.run('tells');
    expect(run).toMatchObject({ status: 'succeeded', args: {} });
    expect(digests(run.stdout)).toEqual(TOLD);
    expect(run.redactions).toBeGreaterThan(10);
    expect(digests((await admin.run('named')).stdout)).toEqual([digest(TOKEN)]);

    const { body: batch } = await admin.post<{ items: BatchItem[] }>('/batch', { items: [{ command: 'tells' }] });
    const stream = (await admin.post<string>('/stream', { command: 'tells' })).body;
    const { id } = (await admin.post<RunEnvelope>('/run', { command: 'tells' }, { prefer: 'respond-async' })).body;
    const followed = (await admin.get<string>(`/runs/${id}/stream`)).body;
    const kept = await Promise.all(
      ['', '/output', '/stream'].map(async (tail) => JSON.stringify((await admin.get(`/runs/${id}${tail}`)).body)),
    );
    const seen = { run: JSON.stringify(run), batch: JSON.stringify(batch), stream, followed, kept: kept.join('\n') };
    for (const [door, text] of Object.entries(seen)) {
      expectClean(door, text);
      for (const told of TOLD) expect([door, text.includes(told)]).toEqual([door, true]);
    }
  });

  it('is planned without its value: a plan names the variable, the file and that stdin is written', async () => {
    const { body: plan } = await admin.post<Record<string, unknown>>('/plan', { command: 'tells' });
    expect(plan).toMatchObject({ files: ['KEY'], stdin: true, environment: expect.arrayContaining(['TOKEN']) });
    expectClean('plan', JSON.stringify(plan));
    expect(JSON.stringify(plan)).not.toContain(digest(TOKEN));
    expectRefused(await admin.post('/plan', { command: 'needs' }), 'secret_missing');
  });

  it('never stands in argv, and its private file is gone with the run', async () => {
    const before = gateway.launches.length;
    await admin.run('tells');
    const [launch] = gateway.launches.slice(before);
    expectClean('argv', JSON.stringify(launch?.argv));
    const file = launch?.argv.at(-1) ?? '';
    expect(file.startsWith(join(gateway.dataDir, 'private'))).toBe(true);
    expect(existsSync(file)).toBe(false);
  });

  it('is told of by name and date alone', async () => {
    const { body } = await admin.get<Page<SecretSummary>>('/secrets');
    expect(body.items.map(({ name, version }) => [name, version])).toEqual([
      ['KEY', 1],
      ['PASSWORD', 1],
      ['TOKEN', 1],
    ]);
    for (const item of body.items) expect(Object.keys(item).sort()).toEqual(['createdAt', 'name', 'updatedAt', 'version']);
    const described = (await (await gateway.as('readonly')).get<{ secrets: unknown }>('/commands/needs')).body;
    expect(described.secrets).toEqual([
      { name: 'NOT_SET', set: false },
      { name: 'TOKEN', set: true },
    ]);
  });

  it('is for admins to set, to see and to forget', async () => {
    for (const caller of [await gateway.as('operator'), await gateway.as('readonly'), gateway.anonymous()]) {
      const code = caller.key ? 'forbidden' : 'unauthenticated';
      expectRefused(await caller.get('/secrets'), code);
      expectRefused(await caller.request('PUT', '/secrets/TOKEN', { body: { value: 'another value' } }), code);
      expectRefused(await caller.request('DELETE', '/secrets/TOKEN'), code);
    }
    expect(digests((await admin.run('tells')).stdout)).toEqual(TOLD);
  });

  it.each<[string, string, unknown, ErrorCode]>([
    ['a name in small letters', 'token', { value: TOKEN }, 'invalid_request'],
    ['a name that leads elsewhere', '..%2fTOKEN', { value: TOKEN }, 'invalid_request'],
    ['a value that is too short', 'TOKEN', { value: TOKEN.slice(0, 7) }, 'invalid_request'],
    ['a value that is too long', 'TOKEN', { value: TOKEN.repeat(300) }, 'invalid_request'],
    ['a value with NUL', 'TOKEN', { value: `${TOKEN}\0` }, 'invalid_request'],
    ['no text', 'TOKEN', { value: [TOKEN] }, 'invalid_request'],
    ['no value', 'TOKEN', {}, 'invalid_request'],
    ['another field', 'TOKEN', { value: TOKEN, [TOKEN]: 1 }, 'invalid_request'],
    ['no object', 'TOKEN', TOKEN, 'invalid_request'],
  ])('is not set with %s, and the refusal does not repeat it', async (_what, name, body, code) => {
    const problem = expectRefused(await admin.request('PUT', `/secrets/${name}`, { body }), code);
    expectClean('problem', JSON.stringify(problem));
    expect((await admin.get<Page<SecretSummary>>('/secrets')).body.items.map(({ version }) => version)).toEqual([1, 1, 1]);
  });

  it('that is not set keeps its command from starting, at every door, with a code of its own', async () => {
    const [launches, { items: runs }] = [gateway.launches.length, (await admin.get<Page<RunSummary>>('/runs?limit=200')).body];
    const request = { command: 'needs' };
    const problem = expectRefused(await admin.post('/run', request), 'secret_missing');
    expect(problem).toMatchObject({ status: 503, detail: expect.stringMatching(/: NOT_SET\.$/) });
    expectRefused(await admin.post('/run', request, { prefer: 'respond-async' }), 'secret_missing');
    expectRefused(await admin.post('/stream', request), 'secret_missing');
    expect((await admin.post('/batch', { items: [request] })).body).toMatchObject({ items: [{ problem: { code: 'secret_missing' } }] });
    expect(gateway.launches).toHaveLength(launches);
    expect((await admin.get<Page<RunSummary>>('/runs?limit=200')).body.items).toHaveLength(runs.length);
    expect(log.filter((line) => line.includes('secrets that are not set')).join('')).toMatch(
      /"secrets":\["KEY","NOT_SET","PASSWORD","TOKEN"\]/,
    );
  });

  it('leaves no trace: not in audit, listings, metrics, log, nor on the disk (A6)', async () => {
    await admin.run('tells');
    const audit = (await admin.get<Page<AuditEntry>>('/audit?limit=200')).body;
    const places: Record<string, string> = {
      audit: JSON.stringify(audit),
      listing: JSON.stringify((await admin.get('/runs?limit=200')).body),
      commands: JSON.stringify((await admin.get('/commands')).body),
      openapi: JSON.stringify((await admin.get('/openapi.json')).body),
      metrics: (await gateway.anonymous().get<string>('/metrics')).body,
      log: log.join('\n'),
      ...Object.fromEntries(filesIn(gateway.dataDir)),
    };
    expect(Object.keys(places)).toEqual(expect.arrayContaining(['sallyport.db', 'master.key']));
    for (const [place, text] of Object.entries(places)) expectClean(place, text);
    const changes = audit.items.filter(({ action }) => action === 'secret.set');
    expect(changes.map(({ subject, details }) => [subject, details])).toEqual(
      ['KEY', 'PASSWORD', 'TOKEN'].map((name) => [name, { version: 1 }]),
    );
    expect(places['log']).toContain('"method":"PUT","route":"/secrets/:name","status":200');
    expect(`${places['sallyport.db']}${places['sallyport.db-wal'] ?? ''}`).toContain('PASSWORD');
    expect(statSync(join(gateway.dataDir, 'master.key')).mode & 0o777).toBe(0o600);
  });
});

describe('a secret that changes', () => {
  let gateway: TestGateway;
  let admin: Caller;
  let folder: string;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-marker-'));
    gateway = await startGateway({ commands: COMMANDS });
    admin = await gateway.as('admin');
  });
  afterEach(async () => {
    await gateway.stop();
    rmSync(folder, { recursive: true });
  });

  it('leaves a run under way with what it started with, and the next one has the new value', async () => {
    const marker = join(folder, 'marker');
    const start = () => admin.post<RunEnvelope>('/run', { command: 'waits', args: { marker } }, { prefer: 'respond-async' });
    const end = (id: string) =>
      eventually(async () => {
        const { body } = await admin.get<RunEnvelope>(`/runs/${id}`);
        return body.outcome !== null && body;
      });
    await set(admin, 'KEY', KEY);
    const first = (await start()).body.id;
    await eventually(() => gateway.launches.length === 1);
    const changed = await set(admin, 'KEY', 'another value');
    expect(changed).toMatchObject({ version: 2 });
    const second = (await start()).body.id;
    await eventually(() => gateway.launches.length === 2);
    expect((await admin.request('DELETE', '/secrets/KEY')).status).toBe(204);
    expectRefused(await start(), 'secret_missing');
    expectRefused(await admin.request('DELETE', '/secrets/KEY'), 'secret_unknown');
    writeFileSync(marker, '');
    expect(digests((await end(first)).stdout)).toEqual([digest(KEY)]);
    expect(digests((await end(second)).stdout)).toEqual([digest('another value')]);
    const { items } = (await admin.get<Page<AuditEntry>>('/audit?action=secret.deleted')).body;
    expect(items).toMatchObject([{ subject: 'KEY', details: { version: 2 } }]);
  });

  it('is another one at the next call of a command without params', async () => {
    for (const value of ['first value', 'second value', 'third value']) {
      await set(admin, 'TOKEN', value);
      for (let call = 0; call < 2; call += 1) expect(digests((await admin.run('named')).stdout)).toEqual([digest(value)]);
    }
  });

  it('is set by many at once, one after the other', async () => {
    const versions = await Promise.all(
      Array.from({ length: 3 }, async (_, index) => (await set(admin, 'TOKEN', `value no. ${index}`)).version),
    );
    expect(versions.sort()).toEqual([1, 2, 3]);
  });
});

describe('the master key', () => {
  const starts: TestGateway[] = [];
  afterEach(async () => {
    for (const gateway of starts.splice(0)) await gateway.stop();
  });

  async function start(
    dataDir: string,
    settings: Record<string, string> = {},
    log: string[] = [],
  ): Promise<{ gateway: TestGateway; admin: Caller }> {
    const gateway = await startGateway({ commands: COMMANDS, dataDir, settings, onLog: (line) => void log.push(line) });
    starts.push(gateway);
    return { gateway, admin: gateway.with(key ?? gateway.bootstrapKey!) };
  }
  let key: string | undefined;
  let folder: string;

  beforeEach(() => {
    key = undefined;
    folder = mkdtempSync(join(tmpdir(), 'sallyport-data-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is not made before there is a secret, and a backup without it says nothing', async () => {
    const [data, backup] = [join(folder, 'data'), join(folder, 'backup')];
    const { gateway, admin } = await start(data);
    key = gateway.bootstrapKey;
    expect(existsSync(join(data, 'master.key'))).toBe(false);
    await set(admin, 'TOKEN', TOKEN);
    await gateway.stop({ keepData: true });
    starts.length = 0;
    cpSync(data, backup, { recursive: true });
    rmSync(join(backup, 'master.key'));
    for (const [file, text] of filesIn(backup)) expectClean(file, text);

    const log: string[] = [];
    const { admin: restored } = await start(backup, {}, log);
    expect(log.join('\n')).toMatch(/"level":50.*"secrets":\["TOKEN"\].*cannot be decrypted/);
    expect((await restored.get<Page<SecretSummary>>('/secrets')).body.items).toMatchObject([{ name: 'TOKEN' }]);
    expect(expectRefused(await restored.post('/run', { command: 'named' }), 'secrets_unreadable').status).toBe(503);
    expectRefused(await restored.request('PUT', '/secrets/OTHER', { body: { value: 'some other value' } }), 'secrets_unreadable');
    expect(existsSync(join(backup, 'master.key'))).toBe(false);

    // Lost for good: what was is given up, and set anew under another key.
    expect((await restored.request('DELETE', '/secrets/TOKEN')).status).toBe(204);
    await set(restored, 'TOKEN', TOKEN);
    expect(digests((await restored.run('named')).stdout)).toEqual([digest(TOKEN)]);
    expect(readFileSync(join(backup, 'master.key'))).not.toEqual(readFileSync(join(data, 'master.key')));
  });

  it('comes from the setting SECRETS_KEY, and stands in no file then', async () => {
    const data = join(folder, 'data');
    const SECRETS_KEY = randomBytes(32).toString('base64');
    const first = await start(data, { SECRETS_KEY });
    key = first.gateway.bootstrapKey;
    await set(first.admin, 'TOKEN', TOKEN);
    expect(digests((await first.admin.run('named')).stdout)).toEqual([digest(TOKEN)]);
    await first.gateway.stop({ keepData: true });
    starts.length = 0;
    expect(readdirSync(data)).not.toContain('master.key');
    for (const [file, text] of filesIn(data)) expect([file, text.includes(SECRETS_KEY.slice(0, 20))]).toEqual([file, false]);

    const other = await start(data, { SECRETS_KEY: randomBytes(32).toString('hex') });
    expectRefused(await other.admin.post('/run', { command: 'named' }), 'secrets_unreadable');
    await other.gateway.stop({ keepData: true });
    starts.length = 0;
    const again = await start(data, { SECRETS_KEY });
    expect(digests((await again.admin.run('named')).stdout)).toEqual([digest(TOKEN)]);
  });
});
