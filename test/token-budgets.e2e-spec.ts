import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { CallerView } from '../src/auth/auth.schemas.js';
import type { AuditEntry, Page } from '../src/domain/audit.js';
import type { Problem } from '../src/domain/errors.js';
import { type Caller, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { chunk, event, refuses, says, startLlm } from './kit/llm-peer.js';
import type { Behaviour, Peer } from './kit/peer.js';
import { programHome, removeHomes } from './kit/program.js';

const ask = { summary: 'x', effect: 'read', llm: { prompt: '{text}', maxTokens: 20 }, params: { text: { type: 'text' } } };
const commands = {
  ask,
  brief: { ...ask, timeout: '200ms' },
  fixed: { summary: 'x', effect: 'read', llm: { prompt: 'Say it.' }, cache: '1min' },
  greet: { summary: 'x', effect: 'read', builtin: 'greet' },
};
/** What the peer says that a call took. */
const CALL = 15;

let peer: Peer;
let settings: Readonly<Record<string, string>>;
let gateway: TestGateway;

beforeAll(async () => {
  ({ peer, settings } = await startLlm());
  gateway = await startGateway({ commands, settings });
});
afterEach(() => {
  peer.behave = says(['Hello', ', ', 'you.']);
  peer.received.length = 0;
});
afterAll(async () => {
  await removeHomes();
  await stopGateways();
  await peer.stop();
});

async function bound(tokens: number): Promise<Caller> {
  return gateway.with(await gateway.newKey({ tokens }));
}

async function left(caller: Caller): Promise<CallerView['tokens']> {
  return (await caller.get<CallerView>('/auth/me')).body.tokens;
}

describe('a key that is bound to a number of tokens a day', () => {
  it('asks models until they are used up; the last call may go over, the next is refused', async () => {
    const caller = await bound(CALL * 2 - 1);
    expect(await left(caller)).toEqual({ limit: 29, remaining: 29 });
    await caller.run('ask', { text: 'a' });
    expect(await left(caller)).toEqual({ limit: 29, remaining: 14 });
    await caller.run('ask', { text: 'a' });
    expect(await left(caller)).toEqual({ limit: 29, remaining: 0 });
    const { status, headers, body } = await caller.post<Problem>('/run', { command: 'ask', args: { text: 'a' } });
    expect([status, body.code]).toEqual([429, 'budget_used_up']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(peer.received).toHaveLength(2);
    expect((await caller.run('greet')).status).toBe('succeeded');
  });

  it('gets one of a hundred calls through when one is left', async () => {
    const caller = await bound(1);
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => caller.post<Problem>('/run', { command: 'ask', args: { text: 'a' } })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === 'budget_used_up')).toHaveLength(99);
    expect([peer.received.length, await left(caller)]).toEqual([1, { limit: 1, remaining: 0 }]);
  });

  it('is refused at every door, and by a batch item by item', async () => {
    const caller = await bound(1);
    await caller.run('ask', { text: 'a' });
    const body = { command: 'ask', args: { text: 'a' } };
    expect((await caller.post<Problem>('/stream', body)).body.code).toBe('budget_used_up');
    expect((await caller.post<Problem>('/run', body, { prefer: 'respond-async' })).body.code).toBe('budget_used_up');
    const batch = await caller.post<{ items: { problem?: Problem }[] }>('/batch', { items: [body, { command: 'greet' }] });
    expect(batch.body.items.map(({ problem }) => problem?.code)).toEqual(['budget_used_up', undefined]);
    const line = await programHome().run(['run', '--url', gateway.url, 'ask', 'text=a'], { SALLYPORT_KEY: caller.key });
    expect([line.code, line.stderr]).toEqual([2, expect.stringContaining('tokens of this day')]);
  });

  const says200 =
    (write: (body: string) => string): Behaviour =>
    (response, { body }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(write(body));
    };
  it.each<readonly [string, Behaviour, string, (taken: number) => boolean]>([
    ['nothing for a call that is refused', refuses(429), 'ask', (taken) => taken === 0],
    [
      'an estimate where the provider says nothing',
      says200(() => event(chunk({ content: 'x'.repeat(400) }, 'stop')) + event('[DONE]')),
      'ask',
      (taken) => taken > 100 && taken < 300,
    ],
    [
      'an estimate of an answer that is cut off',
      says200(() => event(chunk({ content: 'x'.repeat(400) }))),
      'ask',
      (taken) => taken > 100 && taken < 300,
    ],
    ['an estimate of the question of a call without an answer', () => undefined, 'brief', (taken) => taken > 1_000 && taken < 1_300],
  ])('counts %s', async (_, behave, command, isRight) => {
    peer.behave = behave;
    const caller = await bound(100_000);
    await caller.run(command, { text: command === 'brief' ? 'y'.repeat(4_000) : 'a' });
    const { limit = 0, remaining = 0 } = (await left(caller)) ?? {};
    expect([limit - remaining, isRight(limit - remaining)]).toEqual([expect.any(Number), true]);
    const { body } = await (await gateway.as('admin')).get<Page<AuditEntry>>('/audit?limit=1&action=run.outcome');
    expect(body.items[0]?.details['llm']).toMatchObject({ counted: limit - remaining });
  });

  it('takes none for a result that is shared', async () => {
    const caller = await bound(1_000);
    for (let times = 0; times < 3; times++) await caller.run('fixed');
    expect([peer.received.length, await left(caller)]).toEqual([1, { limit: 1_000, remaining: 1_000 - CALL }]);
  });

  it('spends those of the keys above it, and can never have more', async () => {
    const parent = await gateway.newKey({ tokens: CALL });
    const { body: me } = await gateway.with(parent).get<CallerView>('/auth/me');
    const child = (body: object) =>
      gateway.with(parent).post<{ key: string } & Problem>(`/auth/keys/${me.id}/children`, { name: 'child', ...body });
    expect((await child({ tokens: CALL + 1 })).body).toMatchObject({ code: 'forbidden', errors: [{ path: 'tokens' }] });
    const caller = gateway.with((await child({ scopes: ['ask'] })).body.key);
    await caller.run('ask', { text: 'a' });
    expect(await left(gateway.with(parent))).toEqual({ limit: CALL, remaining: 0 });
    for (const one of [caller, gateway.with(parent)])
      expect(await one.refused({ command: 'ask', args: { text: 'a' } })).toMatchObject({ code: 'budget_used_up' });
  });

  it('is bound, changed and freed by an admin, at once', async () => {
    const admin = await gateway.as('admin');
    const caller = gateway.with(await gateway.newKey());
    const { body: me } = await caller.get<CallerView>('/auth/me');
    await caller.run('ask', { text: 'a' });
    expect(me.tokens).toBeNull();
    expect((await admin.request('PATCH', `/auth/keys/${me.id}`, { body: { tokens: 10 } })).body).toMatchObject({ tokens: 10 });
    await caller.run('ask', { text: 'a' });
    expect(await caller.refused({ command: 'ask', args: { text: 'a' } })).toMatchObject({ code: 'budget_used_up' });
    await admin.request('PATCH', `/auth/keys/${me.id}`, { body: { tokens: null } });
    await caller.run('ask', { text: 'a' });
    expect((await admin.request<Problem>('PATCH', `/auth/keys/${me.id}`, { body: { tokens: 0 } })).status).toBe(400);
  });
});

describe('tokens that were taken', () => {
  it('are known to a gateway that starts again', async () => {
    const first = await startGateway({ commands, settings });
    const terms = ['keys', 'create', 'bound', '--tokens', String(CALL + 1), '--json', '--url', first.url];
    const made = await programHome().run(terms, { SALLYPORT_KEY: await first.key('admin') });
    const { key } = JSON.parse(made.stdout) as { key: string };
    const call = async (one: TestGateway) => (await one.with(key).post('/run', { command: 'ask', args: { text: 'a' } })).status;
    expect([await call(first), await call(first), await call(first)]).toEqual([200, 200, 429]);
    await first.stop({ keepData: true });
    const again = await startGateway({ commands, settings, dataDir: first.dataDir });
    expect(await call(again)).toBe(429);
  });

  it('are counted for proposals too, which a key without any gets no more', async () => {
    const one = await startGateway({ commands, settings: { ...settings, LLM_PROPOSALS: 'true' } });
    const caller = one.with(await one.newKey({ tokens: CALL }));
    peer.behave = says([JSON.stringify({ command: 'greet', args: {} })]);
    const propose = () => caller.refused({ text: 'be so kind and say something' });
    expect(await propose()).toMatchObject({ code: 'command_unknown', proposal: { command: 'greet' } });
    expect(await left(caller)).toEqual({ limit: CALL, remaining: 0 });
    expect(await propose()).not.toHaveProperty('proposal');
    expect(peer.received).toHaveLength(1);
  });
});
