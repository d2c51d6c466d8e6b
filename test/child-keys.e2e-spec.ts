import { afterEach, describe, expect, it } from '@jest/globals';
import type { CallerView, CreatedKeyView, KeyView } from '../src/auth/auth.schemas.js';
import { parseKey } from '../src/auth/key-format.js';
import type { Page } from '../src/domain/audit.js';
import type { Problem } from '../src/domain/errors.js';
import { show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { Caller, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';

afterEach(stopGateways);

const idOf = (key: string | undefined) => parseKey(key ?? '')?.id ?? '';
const commands = { show, 'show.again': show, sleeper };
const run = { command: 'show', args: { value: 'yes' } };

/** A caller with a key made from that of `parent`. */
async function child(parent: Caller, body: object = {}): Promise<Caller> {
  const { status, body: made } = await parent.post<CreatedKeyView>(`/auth/keys/${idOf(parent.key)}/children`, { name: 'child', ...body });
  if (status !== 201) throw new Error(`expected a child, got ${status} ${JSON.stringify(made)}`);
  return new Caller(parent.url, made.key);
}

async function refusedChild(parent: Caller, body: object): Promise<{ readonly status: number; readonly paths: readonly string[] }> {
  const { status, body: problem } = await parent.post<Problem>(`/auth/keys/${idOf(parent.key)}/children`, { name: 'child', ...body });
  return { status, paths: (problem.errors ?? []).map(({ path }) => path) };
}

describe('a child key', () => {
  it('hands an agent exactly one task: one command, its arguments, one call, for a while', async () => {
    const gateway = await startGateway({ commands });
    const parent = gateway.with(await gateway.newKey());
    const task = await child(parent, { scopes: ['show'], pinned: { show: { value: 'yes' } }, calls: 1, expiresIn: '5min' });
    expect((await task.get<CallerView>('/auth/me')).body).toMatchObject({
      role: 'operator',
      scopes: ['show'],
      calls: { limit: 1, remaining: 1 },
      pinned: { show: { value: 'yes' } },
      parentId: idOf(parent.key),
    });
    expect((await task.refused({ command: 'sleeper' })).code).toBe('command_unknown');
    expect(await task.refused({ command: 'show', args: { value: 'no' } })).toMatchObject({
      code: 'forbidden',
      errors: [{ path: 'args.value' }],
    });
    expect((await task.run('show')).stdout).toBe('yes\0');
    expect((await task.refused(run)).code).toBe('budget_used_up');
    expect(gateway.launches).toHaveLength(1);
  });

  it('is not made by a readonly key, nor from another key than one’s own', async () => {
    const gateway = await startGateway({ commands });
    const [one, other] = [gateway.with(await gateway.newKey()), gateway.with(await gateway.newKey())];
    const reader = gateway.with(await gateway.newKey({ role: 'readonly' }));
    expect((await refusedChild(reader, {})).status).toBe(403);
    for (const id of [idOf(other.key), 'AAAAAAAAAAAA', 'x'])
      expect([id, (await one.post(`/auth/keys/${id}/children`, { name: 'child' })).status]).toEqual([id, 404]);
    expect((await one.get(`/auth/keys/${idOf(other.key)}`)).status).toBe(404);
    expect((await one.request('DELETE', `/auth/keys/${idOf(other.key)}`)).status).toBe(404);
    expect((await one.request('DELETE', `/auth/keys/${idOf(one.key)}`)).status).toBe(404);
  });

  it('that would exceed its parent is refused, in every dimension [T26]', async () => {
    const gateway = await startGateway({ commands });
    const admin = await gateway.as('admin');
    const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
    const bounds = { scopes: ['show', 'git.*'], addresses: ['127.0.0.0/8'], rate: '60/min', budget: 10, expiresAt: inAnHour };
    const made = await admin.post<CreatedKeyView>('/auth/token', { name: 'parent', role: 'operator', ...bounds });
    const parent = await child(gateway.with(made.body.key), { calls: 5, pinned: { show: { value: 'yes' } }, expiresIn: '30min' });
    const tooMuch: readonly (readonly [string, object])[] = [
      ['scopes', { scopes: ['*'] }],
      ['scopes', { scopes: ['git.*', 'sho*'] }],
      ['scopes', { scopes: ['g*'] }],
      ['expiresAt', { expiresIn: '2h' }],
      ['expiresAt', { expiresIn: '31min' }],
      ['addresses', { addresses: ['0.0.0.0/0'] }],
      ['addresses', { addresses: ['127.0.0.1', '::1'] }],
      ['rate', { rate: '61/min' }],
      ['rate', { rate: '2/s' }],
      ['budget', { budget: 11 }],
      ['calls', { calls: 6 }],
      ['pinned', { pinned: { show: { value: 'no' } } }],
      ['pinned', { pinned: { sleeper: {} } }],
    ];
    for (const [path, body] of tooMuch)
      expect([body, await refusedChild(parent, body)]).toEqual([body, { status: 403, paths: expect.arrayContaining([path]) }]);
    expect((await refusedChild(parent, { role: 'admin' })).status).toBe(400);
    const narrow = await child(parent, {
      scopes: ['git.log'],
      addresses: ['127.0.0.1'],
      rate: '1/s',
      budget: 10,
      calls: 5,
      expiresIn: '1min',
    });
    expect((await narrow.get('/auth/me')).status).toBe(200);
    const ofReader = await admin.post<Problem>(`/auth/keys/${idOf(await gateway.newKey({ role: 'readonly' }))}/children`, {
      name: 'x',
      role: 'operator',
    });
    expect(ofReader.body.errors?.[0]?.path).toBe('role');
    const copy = await refusedChild(parent, {
      expiresAt: (await parent.get<KeyView>(`/auth/keys/${idOf(parent.key)}`)).body.expiresAt ?? '',
      pinned: { show: { value: 'yes' } },
    });
    expect(copy).toEqual({ status: 403, paths: [] });
  });

  it('is changed by admins alone, and within its parent only [T26]', async () => {
    const gateway = await startGateway({ commands });
    const admin = await gateway.as('admin');
    const parent = gateway.with(await gateway.newKey({ scopes: ['show'] }));
    const task = await child(parent);
    const patch = (caller: Caller, body: object) => caller.request<Problem>('PATCH', `/auth/keys/${idOf(task.key)}`, { body });
    expect((await patch(parent, { budget: 5 })).status).toBe(403);
    for (const body of [{ scopes: ['*'] }, { role: 'admin' }, { expiresAt: null }])
      expect([body, (await patch(admin, body)).status]).toEqual([body, 403]);
    expect((await patch(admin, { budget: 5 })).status).toBe(200);
    // Also of one that is narrower than its parent in something else.
    expect((await patch(admin, { expiresAt: null })).status).toBe(403);
    const ofAdmin = await child(admin);
    expect((await admin.request('PATCH', `/auth/keys/${idOf(ofAdmin.key)}`, { body: { role: 'admin' } })).status).toBe(403);
  });

  it('is never more than its parent is now: what a parent loses its children lose', async () => {
    const gateway = await startGateway({ commands });
    const admin = await gateway.as('admin');
    const parent = gateway.with(await gateway.newKey());
    const grandchild = await child(await child(parent), { expiresIn: '30min' });
    const narrow = (body: object) => admin.request('PATCH', `/auth/keys/${idOf(parent.key)}`, { body });
    await grandchild.run('show.again', { value: 'x' });
    await narrow({ scopes: ['show'] });
    expect((await grandchild.refused({ command: 'show.again', args: { value: 'x' } })).code).toBe('command_unknown');
    expect((await grandchild.get('/commands')).body).toMatchObject({ items: [{ name: 'show' }] });
    await narrow({ addresses: ['192.0.2.1'] });
    expect((await grandchild.get('/auth/me')).status).toBe(401);
    await narrow({ addresses: null, role: 'readonly' });
    expect((await grandchild.get('/auth/me')).body).toMatchObject({ role: 'readonly' });
    expect((await grandchild.refused(run)).code).toBe('forbidden');
    await narrow({ role: 'operator', expiresIn: '1ms' });
    await eventually(async () => (await grandchild.get('/auth/me')).status === 401);
  });

  it('counts for every key above it: many children have no more runs together than their parent', async () => {
    const gateway = await startGateway({ commands });
    const admin = await gateway.as('admin');
    const made = await admin.post<CreatedKeyView>('/auth/token', { name: 'parent', role: 'operator', budget: 6 });
    const parent = gateway.with(made.body.key);
    const children = await Promise.all(Array.from({ length: 4 }, () => child(parent, { calls: 5 })));
    const answers = await Promise.all(children.flatMap((one) => Array.from({ length: 5 }, () => one.post('/run', run))));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(6);
    expect(gateway.launches).toHaveLength(6);
    expect((await parent.get<CallerView>('/auth/me')).body.budget).toEqual({ limit: 6, remaining: 0 });
  });

  it('has its number of calls exactly, however many ask at once and through whichever door', async () => {
    const gateway = await startGateway({ commands });
    const task = await child(gateway.with(await gateway.newKey()), { calls: 10 });
    const doors = [
      ...Array.from({ length: 20 }, () => task.post('/run', run)),
      ...Array.from({ length: 10 }, () => task.post('/stream', run)),
      ...Array.from({ length: 10 }, () => task.post('/run', run, { prefer: 'respond-async' })),
      ...Array.from({ length: 5 }, () => task.post('/batch', { items: [run, run] })),
    ];
    await Promise.all(doors);
    await eventually(() => gateway.server.gateway.parts.runs.all().length === 0);
    expect(gateway.launches).toHaveLength(10);
    expect((await task.get<CallerView>('/auth/me')).body.calls).toEqual({ limit: 10, remaining: 0 });
  });

  it('is bound to its pinned arguments through every door', async () => {
    const gateway = await startGateway({ commands });
    const task = await child(gateway.with(await gateway.newKey()), { pinned: { show: { value: 'yes' } } });
    const other = { command: 'show', args: { value: 'no' } };
    expect((await task.post('/run', other)).status).toBe(403);
    expect((await task.post('/run', other, { prefer: 'respond-async' })).status).toBe(403);
    expect((await task.post('/run', other, { 'idempotency-key': 'a' })).status).toBe(403);
    expect((await task.post('/stream', other)).status).toBe(403);
    const batch = await task.post('/batch', { items: [other, run, { command: 'show', args: { value: ['yes'] } }, { command: 'show' }] });
    expect(batch.body).toMatchObject({
      items: [
        { problem: { code: 'forbidden' } },
        { run: { stdout: 'yes\0' } },
        { problem: { code: 'forbidden' } },
        { run: { stdout: 'yes\0' } },
      ],
    });
    expect(gateway.launches).toHaveLength(2);
    const below = await child(task, { pinned: {} });
    expect((await below.refused(other)).code).toBe('forbidden');
    expect((await below.run('show')).stdout).toBe('yes\0');
  });

  it('takes no name of JavaScript for a pin', async () => {
    const gateway = await startGateway({ commands });
    const parent = gateway.with(await gateway.newKey());
    const raw = `{"name":"x","pinned":{"show":{"__proto__":{"value":"no"}}}}`;
    const made = await parent.request(`POST`, `/auth/keys/${idOf(parent.key)}/children`, { raw });
    const task = await child(parent, { pinned: { show: { value: 'yes' } } });
    expect([400, 403, 201]).toContain(made.status);
    const sneaky = await task.request('POST', '/run', { raw: '{"command":"show","args":{"__proto__":{"value":"no"}}}' });
    expect(sneaky.status).toBeGreaterThanOrEqual(400);
    expect(gateway.launches).toHaveLength(0);
  });
});

describe('a tree of keys', () => {
  it('is revoked from any key in it downwards, at once, with what is open', async () => {
    const gateway = await startGateway({ commands });
    const top = gateway.with(await gateway.newKey());
    const middle = await child(top);
    const [left, right] = [await child(middle, { expiresIn: '30min' }), await child(middle, { expiresIn: '30min' })];
    const bottom = await child(left, { expiresIn: '10min' });
    const stream = bottom.post('/stream', { command: 'sleeper' }).then(Date.now, Date.now);
    await eventually(() => gateway.server.gateway.parts.runs.all().some(({ run: { status } }) => status === 'running'));
    const before = Date.now();
    expect((await top.request('DELETE', `/auth/keys/${idOf(left.key)}`)).status).toBe(204);
    expect(await statusesOf(top, middle, left, right, bottom)).toEqual([200, 200, 401, 200, 401]);
    expect((await stream) - before).toBeLessThan(2_000);
    const entries = await (await gateway.as('admin')).get<Page<{ subject: string }>>('/audit?action=key.revoked');
    expect(entries.body.items.map(({ subject }) => subject).sort()).toEqual([idOf(left.key), idOf(bottom.key)].sort());
    expect((await (await gateway.as('admin')).request('DELETE', `/auth/keys/${idOf(top.key)}`)).status).toBe(204);
    expect(await statusesOf(top, middle, left, right, bottom)).toEqual([401, 401, 401, 401, 401]);
  });

  it('is seen from above and not from below', async () => {
    const gateway = await startGateway({ commands });
    const top = gateway.with(await gateway.newKey());
    const below = await child(top, { name: 'below' });
    const listed = (caller: Caller, of: Caller) => caller.get<Page<KeyView>>(`/auth/keys/${idOf(of.key)}/children`);
    expect((await listed(top, top)).body.items.map(({ name }) => name)).toEqual(['below']);
    expect((await listed(below, below)).body.items).toEqual([]);
    expect((await listed(below, top)).status).toBe(404);
    expect((await below.request('DELETE', `/auth/keys/${idOf(top.key)}`)).status).toBe(404);
  });

  it('has an end, in depth and in breadth', async () => {
    const gateway = await startGateway({ commands });
    let at = gateway.with(await gateway.newKey());
    for (let depth = 0; depth < 4; depth++) at = await child(at, { expiresIn: `${50 - depth}min` });
    expect((await refusedChild(at, {})).status).toBe(409);
    const wide = gateway.with(await gateway.newKey());
    const made = await Promise.all(
      Array.from({ length: 103 }, () => wide.post(`/auth/keys/${idOf(wide.key)}/children`, { name: 'one of many' })),
    );
    expect(made.filter(({ status }) => status === 201)).toHaveLength(100);
    expect(made.filter(({ status }) => status === 409)).toHaveLength(3);
  });

  const statusesOf = (...callers: Caller[]) => Promise.all(callers.map(async (caller) => (await caller.get('/auth/me')).status));
});

describe('the rate of a child key', () => {
  it('is its parent’s too: children make no more requests than the key that they were made from', async () => {
    const gateway: TestGateway = await startGateway({
      commands,
      settings: { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_PER_ADDRESS: '10000/min', RATE_LIMIT_PER_KEY: '12/h' },
    });
    const parent = gateway.with(await gateway.newKey());
    const [one, other] = [await child(parent), await child(parent, { rate: '3/h' })];
    const ask = (caller: Caller) => Promise.all(Array.from({ length: 10 }, () => caller.get('/auth/me')));
    const allowed = (answers: { status: number }[]) => answers.filter(({ status }) => status === 200).length;
    expect(allowed(await ask(other))).toBe(3);
    expect(allowed(await ask(one))).toBe(12 - 2 - 3);
    expect(allowed(await ask(parent))).toBe(0);
  });
});
