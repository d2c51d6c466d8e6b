import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import type { AuditEntry, Page } from '../src/domain/audit.js';
import { Clock } from '../src/domain/ports.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { command } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, type Declaration, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { parseScrape } from './kit/scrape.js';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-sharing-')));
const [ran, go, ill] = [join(folder, 'ran'), join(folder, 'go'), join(folder, 'ill')];
/** Says how often it has run by now. */
const COUNT = 'echo x >> "$1"; wc -l < "$1"';
const script = (text: string, differences: Declaration = {}) =>
  command({ script: { interpreter: 'sh', text, args: [ran] }, cache: '1min', ...differences });
const counts = script(COUNT);
/** Ends when it may. */
const waits = script(`${COUNT}; until [ -e ${go} ]; do sleep 0.02; done`);
/** Fails while it is ill. */
const fragile = script(`${COUNT}; [ ! -e ${ill} ]`, { cache: '5s', fallback: 'stale' });

const runs = () => (existsSync(ran) ? readFileSync(ran, 'utf8').length / 2 : 0);
const async = { prefer: 'respond-async' };

beforeEach(() => [ran, go, ill].forEach((file) => rmSync(file, { force: true })));
afterEach(stopGateways);
afterAll(() => rmSync(folder, { recursive: true }));

async function requests(gateway: TestGateway): Promise<Record<string, number>> {
  const { samples } = parseScrape((await gateway.anonymous().get<string>('/metrics')).body);
  return Object.fromEntries(
    samples.filter(({ name }) => name === 'cache_requests_total').map(({ labels, value }) => [labels['result'], value]),
  );
}

/** Starts it and comes back at once. */
async function begin(caller: Caller, name: string, headers = {}): Promise<string> {
  return (await caller.post<RunEnvelope>('/run', { command: name }, { ...async, ...headers })).body.id;
}

const ended = (caller: Caller, id: string) =>
  eventually(async () => {
    const { body } = await caller.get<RunEnvelope & { stdout: string }>(`/runs/${id}`);
    return body.finishedAt !== null && body;
  }, 20_000);

/** Stops the monotonic clock of a gateway; it moves when it is told to. */
function timeOf(gateway: TestGateway): (ms: number) => void {
  const clock = gateway.server.app.get(Clock);
  let now = Math.ceil(clock.monotonic());
  clock.monotonic = () => now;
  return (ms) => void (now += ms);
}

describe('equal runs at the same time', () => {
  it('are one: the others wait for it, and each is a run of its own in history and audit', async () => {
    const gateway = await startGateway({ commands: { waits } });
    const caller = await gateway.as('admin');
    const ids = await Promise.all(Array.from({ length: 20 }, () => begin(caller, 'waits')));
    await eventually(() => runs() === 1);
    writeFileSync(go, '');
    const all = await Promise.all(ids.map((id) => ended(caller, id)));
    expect(new Set(ids).size).toBe(20);
    expect(all.map(({ status, cached, attempts }) => `${status} ${cached} ${attempts}`).toSorted()).toEqual([
      'succeeded false 1',
      ...Array<string>(19).fill('succeeded true 0'),
    ]);
    expect([runs(), gateway.launches.length, await requests(gateway)]).toEqual([1, 1, { hit: 0, miss: 1, joined: 19, bypassed: 0 }]);
    const shared = all.find(({ cached }) => cached);
    expect((await caller.get<string>(`/runs/${shared!.id}/output`)).body).toBe('1\n');
    const { items } = (await caller.get<Page<AuditEntry>>(`/audit?subject=${shared!.id}`)).body;
    expect(items.map(({ action, details }) => `${action} ${String(details['cached'])}`).toSorted()).toEqual([
      'run.intent undefined',
      'run.outcome true',
    ]);
  });

  it('do not end with the one that leaves: neither who waits, nor who is waited for', async () => {
    const gateway = await startGateway({ commands: { waits } });
    const caller = await gateway.as('operator');
    const [first, second, third, fourth] = [
      await begin(caller, 'waits'),
      await begin(caller, 'waits'),
      await begin(caller, 'waits'),
      await begin(caller, 'waits'),
    ];
    await eventually(() => runs() === 1);
    await caller.post(`/runs/${second}/cancel`);
    expect((await ended(caller, second)).outcome).toMatchObject({ kind: 'cancelled' });
    expect((await caller.get<RunEnvelope>(`/runs/${first}`)).body.status).toBe('running');
    await caller.post(`/runs/${first}/cancel`);
    expect((await ended(caller, first)).status).toBe('cancelled');
    // One of the others takes its place.
    await eventually(() => runs() === 2, 20_000);
    writeFileSync(go, '');
    const left = await Promise.all([ended(caller, third), ended(caller, fourth)]);
    expect(left.map(({ status, cached, stdout }) => `${status} ${cached} ${stdout}`).toSorted()).toEqual([
      'succeeded false 2\n',
      'succeeded true 2\n',
    ]);
    expect(runs()).toBe(2);
  });

  it('do not share a failure, and wait no longer than each may', async () => {
    const fails = script(`${COUNT}; exit 1`);
    const hangs = script('sleep 60', { timeout: '1s' });
    const gateway = await startGateway({ commands: { fails, hangs } });
    const caller = await gateway.as('operator');
    const all = await Promise.all(Array.from({ length: 4 }, () => caller.run('fails')));
    expect([all.map(({ status, cached }) => `${status} ${cached}`), runs()]).toEqual([Array(4).fill('failed false'), 4]);
    expect((await caller.run('fails')).cached).toBe(false);
    const hung = await Promise.all(Array.from({ length: 4 }, () => begin(caller, 'hangs')));
    const ends = await Promise.all(hung.map((id) => ended(caller, id)));
    expect(ends.map(({ status }) => status)).toEqual(Array(4).fill('timed_out'));
    const waited = ends.map(({ queuedAt, finishedAt }) => Date.parse(finishedAt ?? '') - Date.parse(queuedAt));
    // Twice the timeout is what waiting first and running then would cost.
    expect(Math.max(...waited)).toBeLessThan(1_900);
  });
});

describe('a cached result', () => {
  it('is given again for exactly as long as declared', async () => {
    const gateway = await startGateway({ commands: { counts: { ...counts, cache: '5s' } } });
    const [advance, caller] = [timeOf(gateway), await gateway.as('operator')];
    const asked = async () => (await caller.run('counts')).cached;
    expect([await asked(), await asked()]).toEqual([false, true]);
    advance(5_000);
    expect(await asked()).toBe(true);
    advance(1);
    expect([await asked(), runs()]).toEqual([false, 2]);
    expect(await requests(gateway)).toMatchObject({ hit: 2, miss: 2 });
  });

  it('does not cross keys with different rights [T62]', async () => {
    const echo = command({ exec: ['echo', '{a}', '{b}'], params: { a: { type: 'string' }, b: { type: 'string' } }, cache: '1min' });
    const gateway = await startGateway({ commands: { counts, echo } });
    const key = (differences: Parameters<TestGateway['newKey']>[0]) => gateway.newKey(differences).then((text) => gateway.with(text));
    const cached = async (caller: Caller, name = 'counts', args?: object) => (await caller.run(name, { ...args })).cached;
    const [one, same] = [await key({ scopes: ['counts', 'echo'] }), await key({ name: 'other', scopes: ['echo', 'counts'] })];
    expect([await cached(one), await cached(same)]).toEqual([false, true]);
    expect(await cached(await key({ scopes: ['*'] }))).toBe(false);
    expect(await cached(await key({ scopes: ['counts', 'echo'], role: 'admin' }))).toBe(false);
    // The same arguments in the end, by another right to them.
    const children = `/auth/keys/${one.key!.slice(4, 16)}/children`;
    const child = async (pinned?: object) => {
      const body = { name: 'child', scopes: ['counts', 'echo'], calls: 10, expiresIn: '1h', ...(pinned ? { pinned } : {}) };
      const answer = await one.post<{ key: string }>(children, body);
      expect([answer.status, answer.body]).toMatchObject([201, {}]);
      return gateway.with(answer.body.key);
    };
    const args = { a: '1', b: '2' };
    expect([await cached(one, 'echo', args), await cached(one, 'echo', args)]).toEqual([false, true]);
    expect(await cached(await child({ echo: { a: '1' } }), 'echo', { b: '2' })).toBe(false);
    expect(await cached(await child(), 'echo', args)).toBe(false);
  });

  it('is not asked for with no-cache, and not made with no-store', async () => {
    const gateway = await startGateway({ commands: { counts } });
    const caller = await gateway.as('operator');
    const ask = async (cacheControl?: string) => {
      const headers: Record<string, string> = cacheControl ? { 'cache-control': cacheControl } : {};
      const { body } = await caller.post<RunEnvelope>('/run', { command: 'counts' }, headers);
      return `${body.stdout.trim()} ${body.cached}`;
    };
    expect([await ask('no-store'), await ask(), await ask()]).toEqual(['1 false', '2 false', '2 true']);
    expect([await ask('no-cache'), await ask()]).toEqual(['3 false', '3 true']);
    expect([await ask('no-store'), await ask()]).toEqual(['4 false', '3 true']);
    const items = { items: [{ command: 'counts' }] };
    const { body } = await caller.post<{ items: { run: RunEnvelope }[] }>('/batch', items, { 'cache-control': 'max-age=0' });
    expect(body.items[0]?.run.cached).toBe(false);
    expect(await requests(gateway)).toEqual({ hit: 3, miss: 1, joined: 0, bypassed: 4 });
  });

  it('is never one of output that was cut', async () => {
    const cut = script(`${COUNT}; head -c 100 /dev/zero`, { limits: { output: '50B' } });
    const gateway = await startGateway({ commands: { cut } });
    const caller = await gateway.as('operator');
    const asked = async (name: string) => (await caller.run(name)).cached;
    expect([await asked('cut'), await asked('cut'), runs()]).toEqual([false, false, 2]);
  });

  it('stays over a reload that leaves its command alone, and goes with one that changes it', async () => {
    const gateway = await startGateway({ commands: { counts }, settings: { CONFIG_WATCH: 'false' } });
    const [caller, admin] = [await gateway.as('operator'), await gateway.as('admin')];
    const reload = async (commands: Readonly<Record<string, Declaration>>) => {
      writeFileSync(join(gateway.folder, 'commands', 'test.yaml'), stringify({ commands }, { aliasDuplicateObjects: false }));
      expect((await admin.post('/config/reload')).status).toBe(200);
      return (await caller.run('counts')).cached;
    };
    await caller.run('counts');
    expect(await reload({ counts, waits })).toBe(true);
    expect(await reload({ counts: { ...counts, env: { A: 'b' } } })).toBe(false);
    expect(await reload({ counts })).toBe(false);
  });
});

describe('the fallback to a stale result', () => {
  it('stands in for a failure, says so, and shows nothing of what failed', async () => {
    const gateway = await startGateway({ commands: { fragile: { ...fragile, breaker: { failures: 2 } } } });
    const [advance, caller] = [timeOf(gateway), await gateway.as('admin')];
    writeFileSync(ill, '');
    const before = await caller.run('fragile');
    expect([before.status, before.stdout, before.cached]).toEqual(['failed', '1\n', false]);
    rmSync(ill);
    expect((await caller.run('fragile')).stdout).toBe('2\n');
    writeFileSync(ill, '');
    advance(6_000);
    const stale = await caller.run('fragile');
    const fallback = { ageMs: 6_000, insteadOf: 'exited' };
    expect([stale.status, stale.outcome, stale.stdout]).toEqual(['succeeded', { kind: 'exited', code: 0, fallback }, '2\n']);
    expect([stale.cached, stale.attempts, runs()]).toEqual([true, 1, 3]);
    expect((await caller.get<RunEnvelope>(`/runs/${stale.id}`)).body.outcome).toEqual({ kind: 'exited', code: 0, fallback });
    await caller.run('fragile');
    const refused = await caller.run('fragile');
    expect([refused.outcome, refused.attempts]).toEqual([
      { kind: 'exited', code: 0, fallback: { ageMs: 6_000, insteadOf: 'rejected' } },
      0,
    ]);
    rmSync(ill);
    advance(30_000);
    const fresh = await caller.run('fragile');
    expect([fresh.stdout, fresh.cached]).toEqual(['5\n', false]);
  });

  it('needs a cache', async () => {
    await expect(startGateway({ commands: { never: command({ exec: ['true'], fallback: 'stale' }) } })).rejects.toThrow(
      'needs a cache to take the result from',
    );
  });
});
