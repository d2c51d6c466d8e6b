import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import type { Problem } from '../src/domain/errors.js';
import type { BatchItem } from '../src/runs/batch.service.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { fixture, isAlive, residentBytes } from './fixtures/fixture.js';
import { command, exits, show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, startGateway, stopGateways } from './kit/gateway.js';
import { programHome, removeHomes } from './kit/program.js';
import { requestText } from './kit/raw-http.js';

const MIB = 1024 ** 2;
const folders: string[] = [];

afterEach(stopGateways);
afterEach(removeHomes);
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** Runs of this command leave marks in one folder while they run, and print how many they saw. */
function company(limits: object = {}, folder = markFolder()) {
  return command({ exec: [fixture('counts-company'), folder, '0.1'], limits });
}

function markFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-marks-'));
  folders.push(folder);
  return folder;
}

/** The most marks that any of the runs saw. */
function mostSeen(runs: readonly RunEnvelope[]): number {
  return Math.max(...runs.flatMap(({ stdout }) => stdout.trim().split(/\s+/).map(Number)));
}

function times<T>(count: number, make: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => make(index)));
}

const startLater = (caller: Caller, name: string) => caller.post<RunEnvelope>('/run', { command: name }, { prefer: 'respond-async' });

describe('slots', () => {
  it('lets 10 of 200 parallel callers run at one time, and answers all of them', async () => {
    const gateway = await startGateway({ commands: { company: company({ concurrent: 10 }) } });
    const caller = await gateway.as('operator');
    const runs = await times(200, () => caller.run('company'));
    expect(new Set(runs.map(({ id }) => id)).size).toBe(200);
    expect(runs.filter(({ status }) => status !== 'succeeded')).toEqual([]);
    expect(mostSeen(runs)).toBe(10);
  });

  it('shares the slots of the gateway between all commands', async () => {
    const folder = markFolder();
    const commands = { one: company({}, folder), two: company({ concurrent: 2 }, folder) };
    const gateway = await startGateway({ commands, settings: { MAX_CONCURRENT_RUNS: '3' } });
    const caller = await gateway.as('operator');
    expect(mostSeen(await times(24, (index) => caller.run(index % 2 === 0 ? 'one' : 'two')))).toBe(3);
  });

  it('refuses as busy, with a time to come back, when the queue is full, and takes callers again when it is not', async () => {
    const gateway = await startGateway({ commands: { sleeper, show }, settings: { MAX_CONCURRENT_RUNS: '1', QUEUE_LIMIT: '1' } });
    const caller = await gateway.as('operator');
    const [holding, queued] = [await startLater(caller, 'sleeper'), await startLater(caller, 'sleeper')];
    expect(queued.body.status).toBe('queued');
    const refused = await caller.post<Problem>('/run', { command: 'show', args: { value: 'x' } });
    expect(refused.status).toBe(503);
    expect(refused.body.code).toBe('busy');
    expect(refused.headers.get('retry-after')).toBe('1');
    for (const { body } of [queued, holding]) expect((await caller.post(`/runs/${body.id}/cancel`)).status).toBe(202);
    const run = await eventually(() => caller.run('show', { value: 'again' }));
    expect(run.status).toBe('succeeded');
    expect((await caller.get<RunEnvelope>(`/runs/${queued.body.id}`)).body).toMatchObject({ status: 'cancelled', startedAt: null });
  });

  it('admits exactly as many of 1,000 parallel callers as there are slots, and keeps the last one for an admin (A7, A11, T54)', async () => {
    const gateway = await startGateway({ commands: { sleeper }, settings: { MAX_CONCURRENT_RUNS: '50', QUEUE_LIMIT: '0' } });
    const callers = await times(10, async () => gateway.with(await gateway.newKey()));
    const answers = await times(1_000, (index) => startLater(callers[index % 10]!, 'sleeper'));
    expect(answers.filter(({ status }) => status === 202)).toHaveLength(49);
    expect(answers.filter(({ status }) => status === 503)).toHaveLength(951);
    const admin = await gateway.as('admin');
    expect([(await startLater(admin, 'sleeper')).status, (await startLater(admin, 'sleeper')).status]).toEqual([202, 503]);
    expect((await gateway.anonymous().get('/health')).status).toBe(200);
  });

  it('gives the next slot to another key, however many runs the first has waiting (A11)', async () => {
    const gateway = await startGateway({ commands: { sleeper, show }, settings: { MAX_CONCURRENT_RUNS: '2' } });
    const [elephant, mouse] = [await gateway.as('operator'), gateway.with(await gateway.newKey())];
    const flood = await times(50, () => startLater(elephant, 'sleeper'));
    const waiting = mouse.run('show', { value: 'x' });
    await eventually(async () => /^sallyport_runs_queued 49$/m.test((await mouse.get<string>('/metrics')).body));
    const first = (await times(50, async (index) => (await elephant.get<RunEnvelope>(`/runs/${flood[index]!.body.id}`)).body)).find(
      ({ status }) => status === 'running',
    );
    await elephant.post(`/runs/${first?.id}/cancel`);
    expect(await waiting).toMatchObject({ status: 'succeeded' });
    const left = await times(50, async (index) => (await elephant.get<RunEnvelope>(`/runs/${flood[index]!.body.id}`)).body.status);
    expect(left.filter((status) => status === 'queued').length).toBeGreaterThanOrEqual(47);
  });

  it('lets a command that waits for its own slots hold up no other', async () => {
    const gateway = await startGateway({ commands: { blocked: { ...sleeper, limits: { concurrent: 1 } }, show } });
    const caller = await gateway.as('operator');
    await times(20, () => startLater(caller, 'blocked'));
    const runs = await times(20, (index) => caller.run('show', { value: `${index}` }));
    expect(runs.every(({ status }) => status === 'succeeded')).toBe(true);
    const { body } = await (await gateway.as('admin')).get<string>('/metrics');
    expect(body).toMatch(/^sallyport_runs_active 1$/m);
    expect(body).toMatch(/^sallyport_runs_queued 19$/m);
  });
});

describe('rates', () => {
  it('admits exactly 50 of 1,000 parallel requests of a key', async () => {
    const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_PER_KEY: '50/min', RATE_LIMIT_PER_ADDRESS: '100000/min' };
    const gateway = await startGateway({ settings });
    const [caller, other] = [await gateway.as('operator'), await gateway.as('readonly')];
    const statuses = (await times(1_000, () => caller.get('/auth/me'))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(50);
    expect(statuses.filter((status) => status === 429)).toHaveLength(950);
    expect((await other.get('/auth/me')).status).toBe(200);
  });

  it('admits exactly 50 of 1,000 parallel requests of an address, whatever keys they bring', async () => {
    const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_PER_KEY: '100000/min', RATE_LIMIT_PER_ADDRESS: '50/min' };
    const gateway = await startGateway({ settings });
    const callers = await times(10, async () => gateway.with(await gateway.newKey()));
    const statuses = (await times(1_000, (index) => callers[index % 10]!.get('/auth/me'))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(50);
    expect((await callers[0]!.get('/nowhere')).status).toBe(404);
    expect((await callers[0]!.get('/auth/me')).status).toBe(429);
  });

  it('says in headers what is left, and in a refusal when to come back', async () => {
    const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_PER_KEY: '2/min', RATE_LIMIT_PER_ADDRESS: '9/h' };
    const gateway = await startGateway({ settings });
    const caller = await gateway.as('operator');
    const first = await caller.get('/auth/me');
    expect(first.headers.get('ratelimit-policy')).toBe('"key";q=2;w=60, "address";q=9;w=3600');
    expect(first.headers.get('ratelimit')).toMatch(/^"key";r=1;t=(60|59), "address";r=8;t=(3600|3599)$/);
    expect(first.headers.get('retry-after')).toBeNull();
    await caller.get('/auth/me');
    const refused = await caller.get<Problem>('/auth/me');
    expect(refused.status).toBe(429);
    expect(refused.body.code).toBe('rate_limited');
    expect(refused.headers.get('ratelimit')).toMatch(/^"key";r=0;t=\d+, "address";r=6;t=\d+$/);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(58);
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60);
  });

  it('counts each item of a batch', async () => {
    const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_PER_KEY: '6/min' };
    const gateway = await startGateway({ commands: { show }, settings });
    const items = Array.from({ length: 10 }, (_, index) => ({ command: 'show', args: { value: `${index}` } }));
    const { body } = await (await gateway.as('operator')).post<{ items: BatchItem[] }>('/batch', { items });
    expect(body.items.filter((item) => 'run' in item)).toHaveLength(6);
    expect(body.items.flatMap((item) => ('problem' in item ? [item.problem.code] : []))).toEqual(Array(4).fill('rate_limited'));
    expect(gateway.launches).toHaveLength(6);
  });

  it('always answers probes', async () => {
    const gateway = await startGateway({ settings: { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_PER_ADDRESS: '1/min' } });
    const anonymous = gateway.anonymous();
    await anonymous.get('/nowhere');
    expect((await anonymous.get('/nowhere')).status).toBe(429);
    for (const path of ['/health', '/livez', '/ready', '/readyz', '/metrics']) {
      expect([path, ...(await times(5, async () => (await anonymous.get(path)).status))]).toEqual([path, 200, 200, 200, 200, 200]);
    }
  });

  it('holds a command to its own rate, across keys, and no other command', async () => {
    const gateway = await startGateway({ commands: { rare: { ...exits, limits: { rate: '3/min' } }, exits } });
    const callers = [await gateway.as('operator'), await gateway.as('admin')];
    const answers = await times(20, (index) => callers[index % 2]!.post<Problem>('/run', { command: 'rare', args: { code: 0 } }));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.body.code).toBe('rate_limited');
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await callers[0]!.run('exits', { code: 0 })).status).toBe('succeeded');
  });

  it('admits exactly 50 of 1,000 parallel runs of a command, whoever asks (A7)', async () => {
    const gateway = await startGateway({ commands: { rare: command({ builtin: 'greet', limits: { rate: '50/min' } }) } });
    const callers = await times(10, async () => gateway.with(await gateway.newKey()));
    const answers = await times(1_000, (index) => callers[index % 10]!.post('/run', { command: 'rare' }));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(50);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(950);
  });

  it('counts IPv6 by /64, and IPv4 in the clothes of IPv6 as IPv4 (A9, T29)', async () => {
    const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_PER_ADDRESS: '3/min', TRUSTED_PROXIES: '127.0.0.1' };
    const gateway = await startGateway({ settings });
    const admitted = async (addresses: readonly string[]) => {
      const answers = await times(addresses.length, (index) =>
        gateway.anonymous().get('/nowhere', { 'x-forwarded-for': addresses[index]!, forwarded: `for=203.0.113.${index}` }),
      );
      return answers.filter(({ status }) => status === 404).length;
    };
    expect(await admitted(Array.from({ length: 10 }, (_, index) => `2001:db8:1:2::${index + 1}`))).toBe(3);
    expect(await admitted(['2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:0DB8:0001:0002::9'])).toBe(0);
    expect(await admitted(Array.from({ length: 10 }, (_, index) => `2001:db8:1:${index + 10}::1`))).toBe(10);
    expect(await admitted(['192.0.2.1', '::ffff:192.0.2.1', '::ffff:c000:201', '192.0.2.1', '::FFFF:192.0.2.1'])).toBe(3);
  });

  it('believes nobody about the address of others', async () => {
    const gateway = await startGateway({ settings: { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_PER_ADDRESS: '3/min' } });
    const ask = (index: number) =>
      gateway.anonymous().get('/nowhere', { 'x-forwarded-for': `10.0.0.${index}`, forwarded: `for=10.0.0.${index}` });
    expect((await times(10, ask)).filter(({ status }) => status === 404)).toHaveLength(3);
  });

  it('believes trusted proxies, and only what the nearest of them says', async () => {
    const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_PER_ADDRESS: '3/min', TRUSTED_PROXIES: '127.0.0.0/8, 10.9.0.0/16' };
    const gateway = await startGateway({ settings });
    const ask = (forwarded: string) => gateway.anonymous().get('/nowhere', { 'x-forwarded-for': forwarded });
    const honest = await times(10, (index) => ask(`192.0.2.${index}`));
    expect(honest.every(({ status }) => status === 404)).toBe(true);
    const forged = await times(10, (index) => ask(`192.0.2.${index + 100}, 198.51.100.7, 10.9.0.1`));
    expect(forged.filter(({ status }) => status === 404)).toHaveLength(3);
  });
});

describe('output', () => {
  const flood = (output: string, name = 'floods-stdout') =>
    command({ exec: [fixture(name), '{bytes}'], params: { bytes: { type: 'integer' } }, limits: { output }, timeout: '1min' });

  it('keeps exactly as much as the limit, and says when more came', async () => {
    const gateway = await startGateway({ commands: { one: flood('10000B'), both: flood('10000B', 'floods-both') } });
    const caller = await gateway.as('operator');
    expect(await caller.run('one', { bytes: 10_000 })).toMatchObject({ stdout: 'x'.repeat(10_000), truncated: false, status: 'succeeded' });
    expect(await caller.run('one', { bytes: 10_001 })).toMatchObject({ stdout: 'x'.repeat(10_000), truncated: true, status: 'succeeded' });
    const both = await caller.run('both', { bytes: 9_000 });
    expect(both.stdout.length + both.stderr.length).toBe(10_000);
    expect((await caller.get<RunEnvelope>(`/runs/${both.id}`)).body).toEqual(both);
  });

  it('lets a gigabyte pass without growing', async () => {
    const server = await programHome({ commands: { flood: flood('1MiB'), show } }).serve({ ADMIN_KEY: undefined });
    const caller = await server.as(/slp_\w+/.exec(server.stdout)?.[0] ?? '');
    await caller.run('flood', { bytes: 2 * MIB });
    const before = residentBytes(server.pid);
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, residentBytes(server.pid))), 20);
    const run = await caller.run('flood', { bytes: 1024 * MIB }).finally(() => clearInterval(watch));
    expect(run).toMatchObject({ status: 'succeeded', truncated: true });
    expect(run.stdout).toHaveLength(MIB);
    expect((most - before) / MIB).toBeLessThan(48);
  });

  it('keeps the output of a run once, however many slow readers its stream has', async () => {
    const text = 'head -c 25165824 /dev/zero | tr "\\0" x; echo written >&2; exec sleep 60';
    const home = programHome({
      commands: { flood: command({ script: { interpreter: 'sh', text }, limits: { output: '32MiB' }, timeout: '1min' }) },
    });
    const server = await home.serve();
    const caller = await server.as(home.adminKey);
    const { body } = await startLater(caller, 'flood');
    await eventually(async () => (await caller.get<string>(`/runs/${body.id}/output?stream=stderr`)).body === 'written\n');
    const before = residentBytes(server.pid);
    const request = requestText('GET', `/runs/${body.id}/stream`, [`X-API-Key: ${home.adminKey}`]);
    const readers = await times(40, async () => slowReader(await server.url(), request));
    // Answers that come after those of the readers: whatever is buffered for them is buffered by now.
    await times(20, () => caller.get('/ready'));
    // Were it kept for each reader, it would be 960 MiB. What a reader costs is 64 KiB, and garbage until it is collected.
    expect((residentBytes(server.pid) - before) / MIB).toBeLessThan(240);
    readers.forEach((socket) => socket.destroy());
  });
});

/** Sends a request, and stops reading when the first bytes have come. */
function slowReader(url: string, bytes: Buffer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(bytes));
    socket.once('data', () => resolve(socket.pause()));
    socket.once('error', reject);
  });
}

describe('a run that will not end', () => {
  const pidOf = ({ stdout }: RunEnvelope) => Number(/^\d+/.exec(stdout)?.[0]);

  it('times out, and its program is gone', async () => {
    const gateway = await startGateway({ commands: { hangs: { ...sleeper, timeout: '200ms' } } });
    const run = await (await gateway.as('operator')).run('hangs');
    expect(run).toMatchObject({ status: 'timed_out', outcome: { kind: 'timed_out', afterMs: 200 } });
    expect(isAlive(pidOf(run))).toBe(false);
  });

  it('is killed when it ignores the request to end', async () => {
    const commands = { stubborn: command({ exec: [fixture('ignores-term')], timeout: '200ms' }) };
    const gateway = await startGateway({ commands, settings: { KILL_GRACE: '200ms' } });
    const run = await (await gateway.as('operator')).run('stubborn');
    expect(run.outcome).toEqual({ kind: 'timed_out', afterMs: 200 });
    expect(run.durationMs).toBeGreaterThanOrEqual(400);
    expect(run.durationMs).toBeLessThan(2_000);
    expect(isAlive(pidOf(run))).toBe(false);
  });

  it('says which signal ended a program that ended itself', async () => {
    const gateway = await startGateway({ commands: { kills: command({ exec: [fixture('kills-itself'), 'KILL'] }), exits } });
    const caller = await gateway.as('operator');
    expect((await caller.run('kills')).outcome).toEqual({ kind: 'exited', code: 137, signal: 'SIGKILL' });
    expect((await caller.run('exits', { code: 137 })).outcome).toEqual({ kind: 'exited', code: 137 });
  });

  it('takes along a grandchild that keeps the pipe open', async () => {
    const gateway = await startGateway({ commands: { grandchild: command({ exec: [fixture('spawns-grandchild')], timeout: '300ms' }) } });
    const run = await (await gateway.as('operator')).run('grandchild');
    expect(run.outcome).toEqual({ kind: 'exited', code: 0 });
    expect(isAlive(pidOf(run))).toBe(false);
  });

  it('takes along a descendant that left its group and keeps the pipe open', async () => {
    const gateway = await startGateway({ commands: { escapes: command({ exec: [fixture('double-forks')], timeout: '300ms' }) } });
    const run = await (await gateway.as('operator')).run('escapes');
    expect(run.outcome).toEqual({ kind: 'exited', code: 0 });
    expect(isAlive(pidOf(run))).toBe(false);
  });
});
