import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { PlanView } from '../src/runs/plan-view.js';
import type { Problem } from '../src/domain/errors.js';
import { type Caller, parseEvents, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { eventually } from './kit/eventually.js';
import { Peer } from './kit/peer.js';
import { programHome, removeHomes } from './kit/program.js';

const token = randomBytes(18).toString('hex');
let peer: Peer;
let inner: Peer;
let gateway: TestGateway;
let caller: Caller;

beforeAll(async () => {
  [peer, inner] = [await Peer.start(), await Peer.start(undefined, '127.0.0.2')];
  const http = (path: string, more: object = {}) => ({ url: `${peer.url}${path}`, privateRanges: ['127.0.0.1'], ...more });
  const read = { summary: 'x', effect: 'read' };
  gateway = await startGateway({
    commands: {
      item: {
        ...read,
        http: http('/items/{id}?q={q}&all', { headers: { 'x-note': 'for {note}' } }),
        params: { id: { type: 'string' }, q: { type: 'string', optional: true }, note: { type: 'string', optional: true } },
        output: { parse: 'json' },
        limits: { output: '64KiB' },
      },
      create: {
        summary: 'x',
        effect: 'change',
        http: http('/items', {
          method: 'POST',
          headers: { authorization: 'Bearer {API_TOKEN}' },
          json: { title: 'New: {title}', count: '{count}', tags: ['fixed', '{tag}'], pass: '{pass}', fixed: { on: true } },
          expect: [201],
        }),
        params: {
          title: { type: 'string' },
          count: { type: 'integer' },
          tag: { type: 'string', optional: true },
          pass: { type: 'secret', optional: true },
        },
        secrets: { API_TOKEN: { request: true } },
      },
      form: {
        summary: 'x',
        effect: 'change',
        http: http('/form', { method: 'PUT', form: { a: '{a}', b: '{b}' } }),
        params: { a: { type: 'text' }, b: { type: 'number', optional: true } },
      },
      anywhere: {
        ...read,
        http: { url: `http://{host}:${peer.port}/`, hosts: ['127.0.0.1', '127.0.0.2', '*.example.com'], privateRanges: ['127.0.0.1'] },
        params: { host: { type: 'hostname' } },
      },
      follows: { ...read, http: http('/start', { redirects: 2, hosts: ['*'] }) },
      brief: { ...read, http: http('/brief'), timeout: '300ms' },
    },
  });
  caller = await gateway.as('admin');
  await caller.request('PUT', '/secrets/API_TOKEN', { body: { value: token } });
}, 60_000);
afterEach(() => {
  peer.behave = (response) => response.end('ok');
  peer.received.length = 0;
});
afterAll(async () => {
  await stopGateways();
  await removeHomes();
  await Promise.all([peer.stop(), inner.stop()]);
});

describe('a command that calls a service', () => {
  it('sends what is declared and gives the answer as output', async () => {
    peer.behave = (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{"name":"ü"}'));
    const run = await caller.run('item', { id: 'a/b?c#d', q: 'x&y=ü z' });
    expect(run).toMatchObject({ status: 'succeeded', outcome: { kind: 'answered', status: 200, expected: true }, parsed: { name: 'ü' } });
    expect(peer.received[0]).toMatchObject({
      method: 'GET',
      url: '/items/a%2Fb%3Fc%23d?q=x%26y%3D%C3%BC%20z&all',
      headers: { traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/) },
    });
  });

  it('leaves out what is not given', async () => {
    await caller.run('item', { id: '7' });
    expect(peer.received[0]).toMatchObject({ url: '/items/7?all' });
    expect(peer.received[0]?.headers).not.toHaveProperty('x-note');
    await caller.run('form', { a: 'two\nlines & more' });
    expect(peer.received[1]).toMatchObject({ method: 'PUT', body: 'a=two%0Alines+%26+more' });
  });

  it('keeps types, and shows no secret in plan, answer, history, audit log or error', async () => {
    const pass = randomBytes(12).toString('hex');
    const args = { title: 'a "b"', count: 3, pass };
    peer.behave = (response, { headers, body }) => response.writeHead(201).end(`you sent ${headers.authorization} and ${body}`);
    const { body: plan } = await caller.post<PlanView>('/plan', { command: 'create', args });
    expect(plan.request).toMatchObject({ method: 'POST', url: `${peer.url}/items`, headers: { authorization: 'Bearer «secret»' } });
    expect(JSON.parse(plan.request?.body ?? '')).toEqual({
      title: 'New: a "b"',
      count: 3,
      tags: ['fixed'],
      pass: '«secret»',
      fixed: { on: true },
    });
    expect(peer.received).toEqual([]);
    const run = await caller.run('create', args);
    expect(run.outcome).toEqual({ kind: 'answered', status: 201, expected: true });
    expect(JSON.parse(peer.received[0]?.body ?? '')).toMatchObject({ count: 3, pass });
    expect(peer.received[0]?.headers).toMatchObject({ authorization: `Bearer ${token}`, 'content-type': 'application/json' });
    const seen = [
      plan,
      run,
      (await caller.get(`/runs/${run.id}`)).body,
      (await caller.get('/audit')).body,
      (await caller.get('/commands')).body,
    ];
    for (const secret of [token, pass]) expect(JSON.stringify(seen)).not.toContain(secret);
  });

  it('runs exactly what was planned', async () => {
    const { body: plan } = await caller.post<PlanView>('/plan', { command: 'item', args: { id: '1' } });
    expect(plan).toMatchObject({ executable: null, argv: null, sandbox: null, verdicts: expect.anything() });
    await caller.post('/run', { planId: plan.planId });
    expect(peer.received.map(({ url }) => url)).toEqual(['/items/1?all']);
  });

  it('changes no other part of the address, whatever its values are', async () => {
    const hostile = fc.array(
      fc.oneof(
        fc.constantFrom('..', '.', '/', '\\', '%2e', '%2f', '?', '#', '&', '=', '@', ':', ';', '//', ' ', '\t', '\u00fc', '\u{1f600}'),
        fc.string({ maxLength: 4 }),
      ),
      { minLength: 1, maxLength: 5 },
    );
    await fc.assert(
      fc.asyncProperty(
        hostile.map((pieces) => pieces.join('')),
        async (id) => {
          peer.received.length = 0;
          const { status } = await caller.post('/run', { command: 'item', args: { id, q: id } });
          if (status !== 200) expect(peer.received).toEqual([]);
          if (status !== 200) return;
          const { pathname, searchParams, hash } = new URL(peer.received[0]?.url ?? '', peer.url);
          const parts = pathname.split('/');
          expect([parts.length, parts[1], decodeURIComponent(parts[2] ?? '')]).toEqual([3, 'items', id]);
          expect([[...searchParams.keys()], searchParams.get('q'), hash]).toEqual([['q', 'all'], id, '']);
        },
      ),
      { numRuns: 60 },
    );
  }, 60_000);

  it('refuses a value that no header can hold', async () => {
    for (const note of ['ü', 'a\u0085b'])
      expect(await caller.refused({ command: 'item', args: { id: '1', note } })).toMatchObject({ errors: [{ path: 'args.note' }] });
  });

  it.each(['..', '.', ''])('refuses %j as a part of the path', async (id) => {
    const { status, body } = await caller.post<Problem>('/run', { command: 'item', args: { id } });
    expect([status, body.code, body.errors?.[0]?.path]).toEqual([400, 'invalid_arguments', 'args.id']);
    expect(peer.received).toEqual([]);
  });

  it('goes to its hosts only, and to no private address that is not named [T06]', async () => {
    expect((await caller.run('anywhere', { host: '127.0.0.1' })).status).toBe('succeeded');
    for (const host of ['127.0.0.2', '127.1', '2130706433', '0x7f000001', 'localhost', 'evil.com', 'example.com']) {
      const { status, body } = await caller.post<Problem>('/run', { command: 'anywhere', args: { host } });
      expect([host, status, body.errors?.[0]?.path]).toEqual([host, 400, 'args.host']);
    }
    expect([peer.received.length, inner.connections]).toEqual([1, 0]);
  });

  it('follows redirects only as declared, and never to where it may not go [H17] [T06]', async () => {
    peer.behave = (response) => response.writeHead(302, { location: '/next' }).end();
    expect((await caller.run('brief')).outcome).toEqual({ kind: 'answered', status: 302, expected: false });
    peer.behave = (response, { url }) => (url === '/start' ? response.writeHead(302, { location: '/next' }).end() : response.end('there'));
    expect(await caller.run('follows')).toMatchObject({ status: 'succeeded', stdout: 'there' });
    for (const location of ['http://169.254.169.254/latest/meta-data/', inner.url, 'http://10.0.0.1/', 'file:///etc/passwd']) {
      peer.behave = (response) => response.writeHead(302, { location }).end();
      expect((await caller.run('follows')).outcome).toEqual({ kind: 'unanswered', fault: 'forbidden', sent: true });
    }
    peer.behave = (response) => response.writeHead(302, { location: '/start' }).end();
    expect((await caller.run('follows')).outcome).toEqual({ kind: 'unanswered', fault: 'redirected', sent: true });
    expect(inner.connections).toBe(0);
  });

  it('ends honestly whatever the service does', async () => {
    peer.behave = (response) => response.writeHead(503, { 'retry-after': '7' }).end('later');
    expect(await caller.run('brief')).toMatchObject({
      status: 'failed',
      stdout: 'later',
      outcome: { kind: 'answered', status: 503, expected: false },
    });
    peer.behave = (response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half');
      setImmediate(() => response.destroy());
    };
    expect(await caller.run('brief')).toMatchObject({ status: 'failed', outcome: { kind: 'unanswered', fault: 'cut_off', sent: true } });
    peer.behave = (response) => void response.socket?.end('nonsense\r\n\r\n');
    expect(await caller.run('brief')).toMatchObject({ outcome: { kind: 'unanswered', fault: 'unreadable', sent: true } });
    peer.behave = (response) => response.end('{"half":');
    expect(await caller.run('item', { id: '1' })).toMatchObject({ status: 'succeeded', parsed: null, stdout: '{"half":' });
    peer.behave = () => undefined;
    expect(await caller.run('brief')).toMatchObject({ status: 'timed_out', outcome: { kind: 'timed_out', afterMs: 300 } });
    peer.behave = (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(64 * 1024 ** 2, 'a')));
    const bomb = await caller.run('item', { id: '1' });
    expect(bomb).toMatchObject({ status: 'succeeded', truncated: true });
    expect(bomb.stdout).toHaveLength(65_536);
  });

  it('is broken off when its run is cancelled', async () => {
    let gone = false;
    peer.behave = (response) => void response.on('close', () => (gone = true));
    const { body } = await caller.post<{ id: string }>('/run', { command: 'item', args: { id: '1' } }, { prefer: 'respond-async' });
    await eventually(() => peer.received.length === 1);
    await caller.post(`/runs/${body.id}/cancel`, {});
    await eventually(() => gone);
    await eventually(async () => (await caller.get<{ status: string }>(`/runs/${body.id}`)).body.status === 'cancelled');
  });

  it('is the same through every door', async () => {
    peer.behave = (response, { url }) => response.end(`got ${url}`);
    const args = { id: '5' };
    const streamed = parseEvents((await caller.post<string>('/stream', { command: 'item', args })).body);
    expect(streamed.find(({ event }) => event === 'output')?.data['data']).toBe('got /items/5?all');
    const { body: batch } = await caller.post<{ items: { run: { stdout: string } }[] }>('/batch', { items: [{ command: 'item', args }] });
    expect(batch.items[0]?.run.stdout).toBe('got /items/5?all');
    const cli = await programHome().run(['run', '--url', gateway.url, 'item', 'id=5'], { SALLYPORT_KEY: await gateway.key('admin') });
    expect([cli.code, cli.stdout]).toEqual([0, 'got /items/5?all']);
  });
});
