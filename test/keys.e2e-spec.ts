import { afterEach, describe, expect, it } from '@jest/globals';
import { parseKey } from '../src/auth/key-format.js';
import type { CreatedKeyView, KeyView, RotatedKeyView } from '../src/auth/auth.schemas.js';
import type { AuditEntry, Page } from '../src/domain/audit.js';
import type { Problem } from '../src/domain/errors.js';
import { sleeper, show } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';

afterEach(stopGateways);

const idOf = (key: string) => parseKey(key)?.id ?? '';
const from = (address: string) => ({ 'x-forwarded-for': address });
const change = (admin: Caller, key: string, body: unknown) =>
  admin.request<KeyView & Problem>('PATCH', `/auth/keys/${idOf(key)}`, { body });

async function makeKey(admin: Caller, body: unknown): Promise<CreatedKeyView> {
  const { status, body: made } = await admin.post<CreatedKeyView>('/auth/token', body);
  expect([status, made]).toEqual([201, expect.anything()]);
  return made;
}

async function audited(gateway: TestGateway, action: string): Promise<readonly AuditEntry[]> {
  return (await (await gateway.as('admin')).get<Page<AuditEntry>>(`/audit?action=${action}`)).body.items;
}

describe('the addresses of a key', () => {
  it('are the only ones it opens the door from, and elsewhere it looks like no key at all', async () => {
    const gateway = await startGateway({ settings: { TRUSTED_PROXIES: '127.0.0.1' } });
    const admin = await gateway.as('admin');
    const { key } = await makeKey(admin, { name: 'office', role: 'readonly', addresses: ['192.0.2.0/24', '2001:db8::/32'] });
    for (const address of ['192.0.2.7', '2001:db8:9::1', '::ffff:192.0.2.7'])
      expect([address, (await gateway.with(key).get('/auth/me', from(address))).status]).toEqual([address, 200]);
    const unknown = await gateway.with(key.slice(0, 4) + key.slice(4)).get<Problem>('/auth/me', from('192.0.3.1'));
    expect(unknown).toMatchObject({ status: 401, body: { detail: 'The API key is not valid.' } });
    expect((await gateway.with(key).get('/auth/me', from('2001:db9::1'))).status).toBe(401);
    expect((await makeRefused(admin, { name: 'x', role: 'readonly', addresses: ['192.0.2.1/24'] })).errors?.[0]?.path).toBe('addresses.0');
  });

  async function makeRefused(admin: Caller, body: unknown): Promise<Problem> {
    const { status, body: problem } = await admin.post<Problem>('/auth/token', body);
    expect(status).toBe(400);
    return problem;
  }
});

describe('the rate of a key', () => {
  it('takes the place of the usual one, exactly, and is told', async () => {
    const gateway = await startGateway({
      settings: { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_PER_ADDRESS: '10000/min', RATE_LIMIT_PER_KEY: '1000/min' },
    });
    const { key } = await makeKey(await gateway.as('admin'), { name: 'slow', role: 'readonly', rate: '7/h' });
    const answers = await Promise.all(Array.from({ length: 30 }, () => gateway.with(key).get('/auth/me')));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(7);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(23);
    expect(answers[29]?.headers.get('ratelimit-policy')).toContain('"key";q=7;w=3600');
  });
});

describe('the daily budget of a key', () => {
  it('admits exactly so many runs of many at once, through every door, and a restart forgets none', async () => {
    const first = await startGateway({ commands: { show } });
    const { key } = await makeKey(await first.as('admin'), { name: 'ten', role: 'operator', budget: 10 });
    const caller = first.with(key);
    const request = { command: 'show', args: { value: 'x' } };
    const answers = await Promise.all(Array.from({ length: 40 }, () => caller.post<Problem>('/run', request)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(9 + 1);
    expect(answers.find(({ status }) => status === 429)?.body).toMatchObject({ code: 'budget_used_up' });
    expect(Number(answers.find(({ status }) => status === 429)?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(first.launches).toHaveLength(10);
    await first.stop({ keepData: true });

    const second = await startGateway({ commands: { show }, dataDir: first.dataDir });
    const again = second.with(key);
    expect((await again.refused(request)).code).toBe('budget_used_up');
    expect((await again.post<Problem>('/stream', request)).status).toBe(429);
    expect((await again.post<{ items: unknown }>('/batch', { items: [request] })).body).toMatchObject({
      items: [{ problem: { code: 'budget_used_up' } }],
    });
    expect((await again.get('/auth/me')).body).toMatchObject({ budget: { limit: 10, remaining: 0 }, calls: null });
    expect(second.launches).toEqual([]);
  });

  it('is not spent by requests that come to no run', async () => {
    const gateway = await startGateway({ commands: { show, 'show.twice': { ...show, limits: { rate: '1/h' } } } });
    const { key } = await makeKey(await gateway.as('admin'), { name: 'one', role: 'operator', budget: 1 });
    const caller = gateway.with(key);
    await caller.refused({ command: 'nothing' });
    await caller.refused({ command: 'show', args: {} });
    await gateway.as('operator').then((other) => other.run('show.twice', { value: 'x' }));
    expect((await caller.refused({ command: 'show.twice', args: { value: 'x' } })).code).toBe('rate_limited');
    expect((await caller.run('show', { value: 'x' })).status).toBe('succeeded');
    expect((await caller.refused({ command: 'show', args: { value: 'x' } })).code).toBe('budget_used_up');
  });

  it('is not spent by the same request again', async () => {
    const gateway = await startGateway({ commands: { show } });
    const { key } = await makeKey(await gateway.as('admin'), { name: 'one', role: 'operator', budget: 1 });
    const once = () =>
      gateway.with(key).post<{ id: string }>('/run', { command: 'show', args: { value: 'x' } }, { 'idempotency-key': 'a' });
    const [one, other] = [await once(), await once()];
    expect([one.status, other.status]).toEqual([200, 200]);
    expect(other.body.id).toBe(one.body.id);
  });
});

describe('changing a key', () => {
  it('takes effect at once, is audited with what was before, and null takes a bound away', async () => {
    const gateway = await startGateway({ commands: { show } });
    const admin = await gateway.as('admin');
    const key = await gateway.newKey({ role: 'operator' });
    const body = {
      name: 'narrow',
      role: 'readonly',
      scopes: ['git.*'],
      budget: 5,
      rate: '9/min',
      addresses: ['127.0.0.0/8'],
      expiresIn: '1h',
    };
    const changed = await change(admin, key, body);
    expect(changed).toMatchObject({
      status: 200,
      body: { name: 'narrow', role: 'readonly', scopes: ['git.*'], budget: 5, rate: '9/min', addresses: ['127.0.0.0/8'] },
    });
    expect((await gateway.with(key).post('/run', { command: 'show', args: { value: 'x' } })).status).toBe(403);
    expect((await gateway.with(key).get('/commands')).body).toMatchObject({ items: [] });
    const freed = await change(admin, key, { budget: null, rate: null, addresses: null, expiresAt: null });
    expect(freed.body).toMatchObject({ role: 'readonly', budget: null, rate: null, addresses: null, expiresAt: null });
    const entries = await audited(gateway, 'key.changed');
    expect(entries.map(({ subject }) => subject)).toEqual([idOf(key), idOf(key)]);
    expect(entries[1]?.details).toMatchObject({ before: { role: 'operator', name: 'test' }, after: { role: 'readonly', budget: 5 } });
    const bounded = await change(admin, key, { expiresIn: '1h', budget: 7 });
    const renamed = await change(admin, key, { name: 'another' });
    expect(renamed.body).toMatchObject({ name: 'another', expiresAt: bounded.body.expiresAt, budget: 7, role: 'readonly' });
    expect(renamed.body.expiresAt).not.toBeNull();
  });

  it('is for admins alone: nobody below edits a role or scopes, their own neither [T26]', async () => {
    const gateway = await startGateway();
    for (const role of ['readonly', 'operator'] as const) {
      const key = await gateway.newKey({ role });
      expect((await change(gateway.with(key), key, { role: 'admin' })).status).toBe(403);
      expect((await change(gateway.with(key), key, { scopes: ['*'] })).status).toBe(403);
      expect((await gateway.with(key).post(`/auth/keys/${idOf(key)}/rotate`, {})).status).toBe(403);
    }
  });

  it.each([{}, { role: 'root' }, { secretHash: 'x' }, { calls: 5 }, { budget: 0 }, { rate: '5' }, { expiresIn: '1h', expiresAt: null }])(
    'is refused with %j',
    async (body) => {
      const gateway = await startGateway();
      expect((await change(await gateway.as('admin'), await gateway.newKey(), body)).status).toBe(400);
    },
  );

  it('is refused for a revoked key, for none, and for the role of the last admin', async () => {
    const gateway = await startGateway();
    const admin = await gateway.as('admin');
    const key = await gateway.newKey();
    await admin.request('DELETE', `/auth/keys/${idOf(key)}`);
    expect((await change(admin, key, { name: 'x' })).status).toBe(409);
    expect((await admin.request('PATCH', '/auth/keys/AAAAAAAAAAAA', { body: { name: 'x' } })).status).toBe(404);
    expect((await change(admin, admin.key ?? '', { role: 'operator' })).body.code).toBe('conflict');
  });
});

describe('the listing of keys', () => {
  it('comes in pages that hold each key once, oldest first', async () => {
    const gateway = await startGateway();
    const admin = await gateway.as('admin');
    for (let made = 0; made < 6; made++) await gateway.newKey({ name: `key ${made}` });
    const keys: KeyView[] = [];
    let path = '/auth/keys?limit=3';
    for (let pages = 0; path !== ''; pages++) {
      const { body, headers } = await admin.get<Page<KeyView>>(path);
      keys.push(...body.items);
      path = /<([^>]+)>; rel="next"/.exec(headers.get('link') ?? '')?.[1] ?? '';
      expect(path === '').toBe(body.nextCursor === null);
      expect(pages).toBeLessThan(3);
    }
    // Those of one millisecond come in any order.
    expect(keys).toEqual(keys.toSorted((one, other) => one.createdAt.localeCompare(other.createdAt)));
    expect(keys.map(({ name }) => name).toSorted()).toEqual(['bootstrap admin', ...Array.from({ length: 6 }, (_, made) => `key ${made}`)]);
    expect((await admin.get('/auth/keys?cursor=nonsense')).status).toBe(400);
  });
});

describe('rotating a key', () => {
  it('takes both secrets during the overlap and shows the last use of each; the old one dies at the stated instant [A5]', async () => {
    const gateway = await startGateway();
    const admin = await gateway.as('admin');
    const old = await gateway.newKey({ role: 'readonly', name: 'turning' });
    expect((await gateway.with(old).get('/auth/me')).status).toBe(200);
    const wrong: string[] = [];
    let current = old;
    const over = new AbortController();
    let validUntil = Infinity;
    const use = async () => {
      while (!over.signal.aborted) {
        const key = current;
        const startedAt = Date.now();
        const { status } = await gateway.with(key).get('/auth/me');
        const isOldAndOver = key === old && Date.now() >= validUntil;
        if (status !== 200 && !isOldAndOver) wrong.push(`${status} with the ${key === old ? 'old' : 'new'} one`);
        if (status === 200 && key === old && startedAt >= validUntil) wrong.push('the old one outlived its time');
      }
    };
    const users = Array.from({ length: 8 }, use);
    const rotated = await admin.post<RotatedKeyView>(`/auth/keys/${idOf(old)}/rotate`, { overlap: '1500ms' });
    expect(rotated.status).toBe(200);
    validUntil = Date.parse(rotated.body.previousValidUntil);
    expect(idOf(rotated.body.key)).toBe(idOf(old));
    // The old one goes on being used while the new one spreads.
    expect((await gateway.with(rotated.body.key).get('/auth/me')).status).toBe(200);
    await eventually(async () => {
      const { body } = await admin.get<KeyView>(`/auth/keys/${idOf(old)}`);
      return body.lastUsedAt !== null && body.previous !== null && body.previous.lastUsedAt !== null;
    });
    current = rotated.body.key;
    await eventually(() => Date.now() > validUntil + 100);
    over.abort();
    await Promise.all(users);
    expect(wrong).toEqual([]);
    expect((await gateway.with(old).get<Problem>('/auth/me')).body.detail).toBe('The API key is not valid.');
    expect((await gateway.with(rotated.body.key).get('/auth/me')).status).toBe(200);
    expect((await audited(gateway, 'key.rotated'))[0]).toMatchObject({ subject: idOf(old), details: { name: 'turning' } });
  });

  it('without overlap ends the old secret at once, and with another rotation the one before the last', async () => {
    const gateway = await startGateway();
    const admin = await gateway.as('admin');
    const first = await gateway.newKey();
    const rotate = async (overlap: string) => (await admin.post<RotatedKeyView>(`/auth/keys/${idOf(first)}/rotate`, { overlap })).body.key;
    const second = await rotate('1h');
    expect((await gateway.with(second).get('/auth/me')).status).toBe(200);
    const shown = await eventually(async () => {
      const { body } = await admin.get<KeyView>(`/auth/keys/${idOf(first)}`);
      return body.lastUsedAt !== null && body;
    });
    // Nobody has used the one before.
    expect(shown.previous?.lastUsedAt).toBeNull();
    const third = await rotate('1h');
    const statuses = async (keys: string[]) => Promise.all(keys.map(async (key) => (await gateway.with(key).get('/auth/me')).status));
    expect(await statuses([first, second, third])).toEqual([401, 200, 200]);
    const fourth = await rotate('0s');
    expect(await statuses([second, third, fourth])).toEqual([401, 401, 200]);
  });

  it('is refused for a key that has ended and for an overlap that is none', async () => {
    const gateway = await startGateway();
    const admin = await gateway.as('admin');
    const key = await gateway.newKey();
    expect((await admin.post(`/auth/keys/${idOf(key)}/rotate`, { overlap: '31d' })).status).toBe(400);
    expect((await admin.post(`/auth/keys/${idOf(key)}/rotate`, { overlap: 'long' })).status).toBe(400);
    await admin.request('DELETE', `/auth/keys/${idOf(key)}`);
    expect((await admin.post(`/auth/keys/${idOf(key)}/rotate`, {})).status).toBe(409);
  });
});

describe('what a key has open', () => {
  const BOUND_MS = 2_000;
  const PATIENCE_MS = 3 * BOUND_MS;

  it.each<[string, (gateway: TestGateway, key: string) => Promise<unknown>]>([
    ['revoked', async (gateway, key) => (await gateway.as('admin')).request('DELETE', `/auth/keys/${idOf(key)}`)],
    ['given another role', async (gateway, key) => change(await gateway.as('admin'), key, { role: 'readonly' })],
    ['given other scopes', async (gateway, key) => change(await gateway.as('admin'), key, { scopes: ['git.*'] })],
    ['bound to other addresses', async (gateway, key) => change(await gateway.as('admin'), key, { addresses: ['192.0.2.1'] })],
    ['expired', async (gateway, key) => change(await gateway.as('admin'), key, { expiresIn: '50ms' })],
    ['rotated away', async (gateway, key) => (await gateway.as('admin')).post(`/auth/keys/${idOf(key)}/rotate`, { overlap: '50ms' })],
  ])('ends within two seconds when it is %s, and the runs that were waited for with it [A3] [T32]', async (_how, end) => {
    const gateway = await startGateway({ commands: { sleeper } });
    const key = await gateway.newKey({ role: 'operator' });
    const caller = gateway.with(key);
    const { body: later } = await caller.post<{ id: string }>('/run', { command: 'sleeper' }, { prefer: 'respond-async' });
    const open = [
      ended(caller.request('POST', '/run', { body: { command: 'sleeper' }, signal: AbortSignal.timeout(PATIENCE_MS) })),
      ended(caller.request('POST', '/stream', { body: { command: 'sleeper' }, signal: AbortSignal.timeout(PATIENCE_MS) })),
      ended(caller.request('GET', `/runs/${later.id}/stream`, { signal: AbortSignal.timeout(PATIENCE_MS) })),
    ];
    const live = () => gateway.server.gateway.parts.runs.all();
    await eventually(() => live().length === 3 && live().every(({ run }) => run.status === 'running'));
    const before = Date.now();
    await end(gateway, key);
    for (const at of await Promise.all(open)) expect(at - before).toBeLessThan(BOUND_MS);
    // As when the client leaves: what it waited for is cancelled, what it had only looked at goes on.
    await eventually(() => live().length === 1);
    expect(live()[0]?.run.id).toBe(later.id);
    live()[0]?.abort({ kind: 'cancelled', by: 'local' });
  });

  it('stays when only its name changes, and other keys notice nothing', async () => {
    const gateway = await startGateway({ commands: { sleeper } });
    const [key, other] = [await gateway.newKey(), await gateway.newKey()];
    const streams = [key, other].map((one) => ended(gateway.with(one).post('/stream', { command: 'sleeper' })));
    const live = () => gateway.server.gateway.parts.runs.all();
    await eventually(() => live().filter(({ run }) => run.status === 'running').length === 2);
    await change(await gateway.as('admin'), key, { name: 'another' });
    expect(await Promise.race([Promise.all(streams), new Promise((resolve) => setTimeout(resolve, 1_200, 'open'))])).toBe('open');
    for (const run of live()) run.abort({ kind: 'cancelled', by: 'local' });
    await Promise.all(streams);
  });

  /** When the answer ended, one way or another. */
  function ended(answer: Promise<unknown>): Promise<number> {
    return answer.then(Date.now, Date.now);
  }
});
