import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Page } from '../src/domain/audit.js';
import type { Problem } from '../src/domain/errors.js';
import type { CommandDescription } from '../src/commands/describe-command.js';
import type { BatchItem } from '../src/runs/batch.service.js';
import type { RunEnvelope, RunSummary } from '../src/runs/run-envelope.js';
import { fixture, isAlive } from './fixtures/fixture.js';
import { command, drip, exits, show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Answer, type Caller, parseEvents, startGateway, stopGateways } from './kit/gateway.js';

afterEach(stopGateways);

const commands = {
  show,
  drip,
  exits,
  sleeper,
  'print.env': command({ exec: [fixture('print-env')], output: { parse: 'lines' } }),
  'print.json': command({ exec: ['printf', '%s', '{value}'], params: { value: { type: 'string' } }, output: { parse: 'json' } }),
  'print.escapes': command({ exec: ['printf', String.raw`\033[31mred\r\n\tkept\0`] }),
  'print.both': command({ script: { interpreter: 'sh', text: 'echo out; echo err >&2' } }),
  cached: command({ exec: ['date', '+%s%N'], cache: '1min' }),
  shout: command({
    exec: ['printf', '%s-%s', '{word}', '{times}'],
    params: { word: { type: 'string' }, times: { type: 'integer', min: 1, max: 9, default: 1 } },
    phrases: ['shout {word}', 'shout {word} {times} times'],
  }),
  'admin.only': command({ exec: ['true'], role: 'admin' }),
  greet: command({ builtin: 'greet', params: { name: { type: 'string', optional: true } }, phrases: ['hello', 'hello {name}'] }),
};

const start = () => startGateway({ commands });

interface Batch {
  readonly items: readonly BatchItem[];
}

/** What became of each item, in a word: its status, the code of its problem, or `skipped`. */
function fates({ items }: Batch): string[] {
  return items.map((item) => ('run' in item ? item.run.status : 'problem' in item ? item.problem.code : 'skipped'));
}

function stdoutOf({ items }: Batch): string[] {
  return items.map((item) => ('run' in item ? item.run.stdout : ''));
}

/** Starts a run without waiting and gives its id. */
async function startLater(caller: Caller, name: string, args?: object): Promise<string> {
  const { status, body } = await caller.post<RunEnvelope>(
    '/run',
    { command: name, ...(args ? { args } : {}) },
    { prefer: 'respond-async' },
  );
  expect(status).toBe(202);
  return body.id;
}

function ended(caller: Caller, id: string): Promise<RunEnvelope> {
  return eventually(async () => {
    const { body } = await caller.get<RunEnvelope>(`/runs/${id}`);
    return body.outcome !== null && body;
  });
}

/** The pid that a sleeper prints once it is up. */
function pidOf(caller: Caller, id: string): Promise<number> {
  return eventually(async () => Number((await caller.get<RunEnvelope>(`/runs/${id}`)).body.stdout) || false);
}

describe('POST /run', () => {
  it('runs a command by name and answers its envelope', async () => {
    const gateway = await start();
    const operator = await gateway.as('operator');
    const { status, headers, body } = await operator.post<RunEnvelope>(
      '/run',
      { command: 'show', args: { value: 'a b' } },
      { 'x-request-id': 'mine-1' },
    );
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    expect(headers.get('x-request-id')).toBe('mine-1');
    expect(body).toEqual({
      id: expect.stringMatching(/^run_[0-9a-f]{32}$/),
      command: 'show',
      keyId: (await gateway.key('operator')).slice(4, 16),
      args: { value: 'a b' },
      requestId: 'mine-1',
      status: 'succeeded',
      outcome: { kind: 'exited', code: 0 },
      stdout: 'a b\0',
      stderr: '',
      parsed: null,
      truncated: false,
      redactions: 0,
      cached: false,
      attempts: 1,
      queuedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      startedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      finishedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      durationMs: expect.any(Number),
    });
  });

  it('answers 200 for a command that failed: that is data', async () => {
    const operator = await (await start()).as('operator');
    expect(await operator.run('exits', { code: 7 })).toMatchObject({ status: 'failed', outcome: { kind: 'exited', code: 7 } });
  });

  it('keeps the two streams apart', async () => {
    const operator = await (await start()).as('operator');
    expect(await operator.run('print.both')).toMatchObject({ stdout: 'out\n', stderr: 'err\n' });
  });

  it('hands over the output as the command declares it', async () => {
    const operator = await (await start()).as('operator');
    expect((await operator.run('print.env')).parsed).toContain('LANG=C');
    expect((await operator.run('print.json', { value: '{"a":[1]}' })).parsed).toEqual({ a: [1] });
    expect((await operator.run('print.json', { value: '{"a"' })).parsed).toBeNull();
  });

  it('continues the caller’s trace in the child', async () => {
    const operator = await (await start()).as('operator');
    const trace = 'ab'.repeat(16);
    const { body } = await operator.post<RunEnvelope>(
      '/run',
      { command: 'print.env' },
      { traceparent: `00-${trace}-${'cd'.repeat(8)}-01` },
    );
    expect(body.stdout).toMatch(new RegExp(`^TRACEPARENT=00-${trace}-[0-9a-f]{16}-01$`, 'm'));
  });

  it('resolves phrases: slots take words, quoted words and declared types', async () => {
    const operator = await (await start()).as('operator');
    const said = async (text: string) => (await operator.post<RunEnvelope>('/run', { text })).body;
    expect(await said('Shout  it!')).toMatchObject({ command: 'shout', args: { word: 'it', times: 1 }, stdout: 'it-1' });
    expect(await said('shout "two words" 3 times')).toMatchObject({ args: { word: 'two words', times: 3 }, stdout: 'two words-3' });
    expect(await said('shout it many times')).toMatchObject({ code: 'command_unknown' });
    expect(await said('shout it 10 times')).toMatchObject({ code: 'invalid_arguments', errors: [{ path: 'args.times' }] });
    expect(await said('shout -rf')).toMatchObject({ code: 'invalid_arguments', errors: [{ path: 'args.word' }] });
    expect(await said('SHOW')).toMatchObject({ code: 'invalid_arguments', errors: [{ path: 'args.value', message: 'required' }] });
  });

  it('suggests what comes near, among the commands that the key may see only (T35)', async () => {
    const gateway = await start();
    const all = await gateway.as('operator');
    expect((await all.refused({ command: 'shovt' })).detail).toContain('shout');
    const narrow = await gateway.as('operator', ['greet']);
    expect((await narrow.refused({ command: 'shovt' })).detail).toBe('There is no such command.');
    expect(await narrow.refused({ command: 'shout', args: { word: 'x' } })).toMatchObject({
      code: 'command_unknown',
      detail: 'There is no such command.',
    });
    expect((await narrow.refused({ text: 'shout x' })).code).toBe('command_unknown');
  });

  it('greets without starting a program', async () => {
    const gateway = await start();
    const operator = await gateway.as('operator');
    expect((await operator.post<RunEnvelope>('/run', { text: 'Hello Ada!' })).body).toMatchObject({
      command: 'greet',
      status: 'succeeded',
      stdout: 'Hello, Ada.\n',
    });
    expect(gateway.launches).toEqual([]);
  });

  it('ends the run when the client goes away', async () => {
    const gateway = await start();
    const operator = await gateway.as('operator');
    const client = new AbortController();
    const gone = operator
      .request('POST', '/run', { body: { command: 'sleeper' }, signal: client.signal })
      .catch((error: Error) => error.name);
    const id = await eventually(async () => (await operator.get<Page<RunSummary>>('/runs')).body.items[0]?.id ?? false);
    const pid = await pidOf(operator, id);
    client.abort();
    expect(await gone).toBe('AbortError');
    expect(await ended(operator, id)).toMatchObject({ status: 'cancelled', outcome: { kind: 'cancelled', by: 'client_gone' } });
    expect(isAlive(pid)).toBe(false);
  });
});

describe('POST /run with Prefer: respond-async', () => {
  it('answers 202 at once, and the run goes on without the client', async () => {
    const operator = await (await start()).as('operator');
    const { status, headers, body } = await operator.post<RunEnvelope>(
      '/run',
      { command: 'drip', args: { count: 3, gap: '0.05' } },
      { prefer: 'respond-async' },
    );
    expect(status).toBe(202);
    expect(headers.get('location')).toBe(`/runs/${body.id}`);
    expect(headers.get('preference-applied')).toBe('respond-async');
    expect(headers.get('retry-after')).toBe('1');
    expect(['queued', 'running']).toContain(body.status);
    expect(await ended(operator, body.id)).toMatchObject({ status: 'succeeded', stdout: 'drip 1\ndrip 2\ndrip 3\n' });
  });

  it('waits as long as asked, and answers the end when it comes in time', async () => {
    const operator = await (await start()).as('operator');
    const quick = await operator.post<RunEnvelope>('/run', { command: 'show', args: { value: 'x' } }, { prefer: 'respond-async, wait=20' });
    expect(quick).toMatchObject({ status: 200, body: { status: 'succeeded' } });
    const slow = await operator.post<RunEnvelope>('/run', { command: 'sleeper' }, { prefer: 'wait=1, respond-async' });
    expect(slow).toMatchObject({ status: 202, body: { status: 'running' } });
    await operator.post(`/runs/${slow.body.id}/cancel`);
    await ended(operator, slow.body.id);
  });

  it('refuses what cannot be run at once, not later', async () => {
    const operator = await (await start()).as('operator');
    expect(await operator.post('/run', { command: 'show' }, { prefer: 'respond-async' })).toMatchObject({
      status: 400,
      body: { code: 'invalid_arguments' },
    });
  });
});

describe('POST /batch', () => {
  const shows = (...values: string[]) => values.map((value) => ({ command: 'show', args: { value } }));

  it('answers the items in the order of the request, whatever order they end in', async () => {
    const operator = await (await start()).as('operator');
    const items = [{ command: 'drip', args: { count: 2, gap: '0.2' } }, ...shows('b', 'c')];
    const { status, body } = await operator.post<Batch>('/batch', { items });
    expect(status).toBe(200);
    expect(stdoutOf(body)).toEqual(['drip 1\ndrip 2\n', 'b\0', 'c\0']);
  });

  it('refuses one item in the middle and runs the others', async () => {
    const gateway = await start();
    const operator = await gateway.as('operator');
    const items = [
      ...shows('a'),
      { command: 'show', args: {} },
      { command: 'nope' },
      { command: 'admin.only' },
      { nonsense: true },
      7,
      null,
      { text: 'hello' },
    ];
    const { status, body } = await operator.post<Batch>('/batch', { items });
    expect(status).toBe(200);
    expect(fates(body)).toEqual([
      'succeeded',
      'invalid_arguments',
      'command_unknown',
      'forbidden',
      'invalid_request',
      'invalid_request',
      'invalid_request',
      'succeeded',
    ]);
    expect(body.items[4]).toMatchObject({ problem: { status: 400, errors: [{ path: 'items.4' }] } });
    expect(gateway.launches).toHaveLength(1);
  });

  it('runs one after the other in sequential mode', async () => {
    const gateway = await start();
    const operator = await gateway.as('operator');
    const { body } = await operator.post<Batch>('/batch', {
      mode: 'sequential',
      items: [...shows('a'), { command: 'exits', args: { code: 3 } }, ...shows('c')],
    });
    expect(fates(body)).toEqual(['succeeded', 'failed', 'succeeded']);
    const times = body.items.map((item) => ('run' in item ? [item.run.startedAt, item.run.finishedAt] : []));
    expect([...times.flat()].sort()).toEqual(times.flat());
  });

  it.each([
    ['fails', { command: 'exits', args: { code: 1 } }, 'failed'],
    ['is refused', { command: 'nope' }, 'command_unknown'],
  ])('stops after an item that %s, when asked to', async (_how, item, fate) => {
    const gateway = await start();
    const operator = await gateway.as('operator');
    const { body } = await operator.post<Batch>('/batch', {
      mode: 'sequential',
      stopOnError: true,
      items: [...shows('a'), item, ...shows('c', 'd')],
    });
    expect(fates(body)).toEqual(['succeeded', fate, 'skipped', 'skipped']);
    expect(gateway.launches.filter(({ argv }) => argv.includes('c') || argv.includes('d'))).toEqual([]);
  });

  it.each([
    ['no items', { items: [] }],
    ['more than 100', { items: Array.from({ length: 101 }, () => ({ command: 'show', args: { value: 'x' } })) }],
    ['no list', { items: { command: 'show' } }],
    ['an unknown mode', { items: [{ text: 'hello' }], mode: 'random' }],
    ['stopOnError in parallel', { items: [{ text: 'hello' }], stopOnError: true }],
    ['an unknown field', { items: [{ text: 'hello' }], stopOnErorr: true }],
  ])('refuses %s as a whole', async (_what, body) => {
    const gateway = await start();
    const answer = await (await gateway.as('operator')).post<Problem>('/batch', body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect((await (await gateway.as('admin')).get<Page<RunSummary>>('/runs')).body.items).toEqual([]);
  });

  it('runs 100 items at once, and listens to its connection once, not once an item', async () => {
    const gateway = await start();
    let most = 0;
    gateway.server.app.getHttpServer().on('request', (_request: unknown, response: ServerResponse) => {
      response.on('newListener', () => (most = Math.max(most, response.listenerCount('close') + 1)));
    });
    const operator = await gateway.as('operator');
    const values = Array.from({ length: 100 }, (_, index) => `value ${index}`);
    const { body } = await operator.post<Batch>('/batch', { items: shows(...values) });
    expect(stdoutOf(body)).toEqual(values.map((value) => `${value}\0`));
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(10);
  });

  it.each(['parallel', 'sequential'])('ends the runs of a %s batch when the client goes away, and starts no others', async (mode) => {
    const gateway = await start();
    const operator = await gateway.as('operator');
    const client = new AbortController();
    const items = [{ command: 'sleeper' }, ...(mode === 'sequential' ? shows('never', 'never') : [{ command: 'sleeper' }])];
    const gone = operator.request('POST', '/batch', { body: { mode, items }, signal: client.signal }).catch((error: Error) => error.name);
    await eventually(() => gateway.launches.length === (mode === 'sequential' ? 1 : 2));
    client.abort();
    expect(await gone).toBe('AbortError');
    const runs = await eventually(async () => {
      const { items: all } = (await operator.get<Page<RunSummary>>('/runs')).body;
      return all.length > 0 && all.every(({ outcome }) => outcome !== null) && all;
    });
    expect(runs.map(({ outcome }) => outcome)).toEqual(runs.map(() => ({ kind: 'cancelled', by: 'client_gone' })));
    expect(runs).toHaveLength(mode === 'sequential' ? 1 : 2);
    expect(gateway.launches).toHaveLength(runs.length);
  });
});

describe('POST /stream', () => {
  it('tells the start, the output piece by piece, and the end without it', async () => {
    const operator = await (await start()).as('operator');
    const events = await operator.stream({ command: 'drip', args: { count: 3, gap: '0.1' } });
    expect(events.map(({ event }) => event)).toEqual(['run.started', 'output', 'output', 'output', 'run.finished']);
    expect(events.map(({ id }) => id)).toEqual([undefined, '1', '2', '3', undefined]);
    expect(events[1]?.data).toEqual({ stream: 'stdout', seq: 1, data: 'drip 1\n' });
    expect(events[0]?.data).toMatchObject({ command: 'drip', status: 'running', outcome: null });
    expect(events[4]?.data).toMatchObject({ status: 'succeeded', outcome: { kind: 'exited', code: 0 } });
    for (const field of ['stdout', 'stderr', 'parsed']) expect(events[4]?.data).not.toHaveProperty(field);
  });

  it('is a stream that no cache or proxy holds back', async () => {
    const operator = await (await start()).as('operator');
    const { headers } = await operator.post('/stream', { command: 'show', args: { value: 'x' } });
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(headers.get('cache-control')).toContain('no-store');
    expect(headers.get('x-accel-buffering')).toBe('no');
    expect(headers.get('content-length')).toBeNull();
  });

  it('refuses with a problem before the first event', async () => {
    const operator = await (await start()).as('operator');
    expect(await operator.post('/stream', { command: 'show' })).toMatchObject({ status: 400, body: { code: 'invalid_arguments' } });
  });

  it('ends the run when the reader goes away', async () => {
    const gateway = await start();
    const operator = await gateway.as('operator');
    const reader = await openStream(operator, 'POST', '/stream', { command: 'sleeper' });
    const pid = await eventually(() => Number(/"data":"(\d+)\\n"/.exec(reader.text())?.[1]) || false);
    reader.leave();
    const [run] = (await operator.get<Page<RunSummary>>('/runs')).body.items;
    expect(await ended(operator, run?.id ?? '')).toMatchObject({ outcome: { kind: 'cancelled', by: 'client_gone' } });
    expect(isAlive(pid)).toBe(false);
  });
});

/** Reads a stream as it comes, until the test leaves. */
async function openStream(caller: Caller, method: string, path: string, body?: unknown) {
  const client = new AbortController();
  const headers = { 'x-api-key': caller.key ?? '', 'content-type': 'application/json' };
  const response = await fetch(caller.url + path, {
    method,
    headers,
    signal: client.signal,
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  let text = '';
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk as Uint8Array, { stream: true });
  })().catch(() => undefined); // Leaving is how these tests end it.
  return { text: () => text, leave: () => client.abort(), done: reading };
}

describe('GET /runs', () => {
  it('lists own runs to their owner and all to an admin, newest first', async () => {
    const gateway = await start();
    const [one, two] = [gateway.with(await gateway.newKey()), gateway.with(await gateway.newKey())];
    const first = await one.run('show', { value: '1' });
    const second = await two.run('show', { value: '2' });
    const idsOf = async (caller: Caller) => (await caller.get<Page<RunSummary>>('/runs')).body.items.map(({ id }) => id);
    expect(await idsOf(one)).toEqual([first.id]);
    expect(await idsOf(two)).toEqual([second.id]);
    expect(await idsOf(await gateway.as('admin'))).toEqual([second.id, first.id]);
    expect(await idsOf(await gateway.as('readonly'))).toEqual([]);
    const [item] = (await one.get<Page<RunSummary>>('/runs')).body.items;
    for (const field of ['stdout', 'stderr', 'parsed']) expect(item).not.toHaveProperty(field);
  });

  it('filters by command and status', async () => {
    const operator = await (await start()).as('operator');
    await operator.run('exits', { code: 0 });
    await operator.run('exits', { code: 1 });
    await operator.run('show', { value: 'x' });
    const found = async (query: string) =>
      (await operator.get<Page<RunSummary>>(`/runs?${query}`)).body.items.map(({ command: name, status }) => `${name} ${status}`);
    expect(await found('command=exits')).toEqual(['exits failed', 'exits succeeded']);
    expect(await found('command=exits&status=failed')).toEqual(['exits failed']);
    expect(await found('status=succeeded')).toEqual(['show succeeded', 'exits succeeded']);
    expect(await found('command=nope')).toEqual([]);
  });

  it('leads from page to page by cursor and by Link, each run once', async () => {
    const operator = await (await start()).as('operator');
    const made: string[] = [];
    for (let index = 0; index < 5; index++) made.unshift((await operator.run('greet')).id);
    const seen: string[] = [];
    let path: string | undefined = '/runs?limit=2&command=greet';
    while (path) {
      const page: Answer<Page<RunSummary>> = await operator.get(path);
      seen.push(...page.body.items.map(({ id }) => id));
      const next = /^<(.*)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1];
      expect(next === undefined).toBe(page.body.nextCursor === null);
      if (next)
        expect(Object.fromEntries(new URL(next, operator.url).searchParams)).toEqual({
          limit: '2',
          command: 'greet',
          cursor: page.body.nextCursor,
        });
      path = next;
    }
    expect(seen).toEqual(made);
  });

  it.each([
    'limit=0',
    'limit=201',
    'limit=x',
    'limit=1&limit=2',
    'status=done',
    'unknown=1',
    'cursor=1&cursor=2',
    `command=${'x'.repeat(65)}`,
  ])('refuses %s', async (query) => {
    const operator = await (await start()).as('operator');
    expect(await operator.get(`/runs?${query}`)).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });
});

describe('GET /runs/:id', () => {
  it('shows a run to its owner and to an admin; to others it does not exist (T22)', async () => {
    const gateway = await start();
    const owner = await gateway.as('operator');
    const run = await owner.run('show', { value: 'mine' });
    const id = run.id;
    const later = (body: unknown) => ({ status: 200, body });
    expect(await owner.get(`/runs/${id}`)).toMatchObject(later(run));
    expect(await (await gateway.as('admin')).get(`/runs/${id}`)).toMatchObject(later(run));
    const stranger = gateway.with(await gateway.newKey());
    for (const path of ['', '/output', '/stream']) {
      const strange = await stranger.get<Problem>(`/runs/${id}${path}`);
      const unknown = await stranger.get<Problem>(`/runs/run_${'0'.repeat(32)}${path}`);
      expect(strange.status).toBe(404);
      expect({ ...strange.body, requestId: '', traceId: '' }).toEqual({ ...unknown.body, requestId: '', traceId: '' });
    }
  });

  it('shows a run under way with its output so far', async () => {
    const operator = await (await start()).as('operator');
    const id = await startLater(operator, 'sleeper');
    await pidOf(operator, id);
    expect((await operator.get<RunEnvelope>(`/runs/${id}`)).body).toMatchObject({
      status: 'running',
      outcome: null,
      finishedAt: null,
      durationMs: null,
    });
    await operator.post(`/runs/${id}/cancel`);
    await ended(operator, id);
  });
});

describe('GET /runs/:id/output', () => {
  it('answers text in which output cannot steer a terminal (T61)', async () => {
    const operator = await (await start()).as('operator');
    const { id } = await operator.run('print.escapes');
    const { headers, body } = await operator.get<string>(`/runs/${id}/output`);
    expect(body).toBe('\\x1b[31mred\\x0d\n\tkept\\x00');
    expect(headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('answers the raw chunks as ndjson', async () => {
    const operator = await (await start()).as('operator');
    const { id } = await operator.run('print.escapes');
    const { headers, body } = await operator.get<string>(`/runs/${id}/output`, { accept: 'application/x-ndjson' });
    expect(headers.get('content-type')).toMatch(/^application\/x-ndjson/);
    expect(
      body
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([{ stream: 'stdout', seq: 1, data: '\u001b[31mred\r\n\tkept\0' }]);
  });

  it('answers one stream alone', async () => {
    const operator = await (await start()).as('operator');
    const { id } = await operator.run('print.both');
    expect((await operator.get(`/runs/${id}/output?stream=stdout`)).body).toBe('out\n');
    expect((await operator.get(`/runs/${id}/output?stream=stderr`)).body).toBe('err\n');
    expect(await operator.get(`/runs/${id}/output?stream=stdin`)).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  });
});

describe('GET /runs/:id/stream', () => {
  it('follows a run under way from its first output on; a reader that leaves does not end it', async () => {
    const operator = await (await start()).as('operator');
    const id = await startLater(operator, 'sleeper');
    const leaving = await openStream(operator, 'GET', `/runs/${id}/stream`);
    const staying = await openStream(operator, 'GET', `/runs/${id}/stream`);
    await eventually(() => [leaving, staying].every((reader) => reader.text().includes('event: output')));
    leaving.leave();
    await leaving.done;
    expect((await operator.get<RunEnvelope>(`/runs/${id}`)).body.status).toBe('running');
    await operator.post(`/runs/${id}/cancel`);
    await staying.done;
    expect(parseEvents(staying.text()).map(({ event }) => event)).toEqual(['run.started', 'output', 'run.finished']);
  });

  it('replays an ended run, and resumes after Last-Event-ID', async () => {
    const operator = await (await start()).as('operator');
    const live = await operator.stream({ command: 'drip', args: { count: 3, gap: '0.1' } });
    const id = String(live[0]?.data['id']);
    const replayed = async (headers: Record<string, string>) =>
      parseEvents((await operator.get<string>(`/runs/${id}/stream`, headers)).body);
    const finished = { ...live.at(-1)?.data };
    expect((await replayed({})).slice(1)).toEqual(live.slice(1));
    const resumed = await replayed({ 'last-event-id': '2' });
    expect(resumed.filter(({ event }) => event === 'output')).toEqual(live.slice(3, 4));
    expect(resumed.at(-1)?.data).toEqual(finished);
    expect((await replayed({ 'last-event-id': '99' })).map(({ event }) => event)).toEqual(['run.started', 'run.finished']);
  });

  it('resumes a run under way after Last-Event-ID', async () => {
    const operator = await (await start()).as('operator');
    const id = await startLater(operator, 'drip', { count: 4, gap: '0.1' });
    const { body } = await operator.get<string>(`/runs/${id}/stream`, { 'last-event-id': '1' });
    expect(parseEvents(body).flatMap(({ id: seq }) => seq ?? [])).toEqual(['2', '3', '4']);
  });

  it.each(['x', '-1', '1.5', '9'.repeat(20)])('refuses the Last-Event-ID %s', async (value) => {
    const operator = await (await start()).as('operator');
    const { id } = await operator.run('greet');
    expect(await operator.get(`/runs/${id}/stream`, { 'last-event-id': value })).toMatchObject({
      status: 400,
      body: { code: 'invalid_request' },
    });
  });
});

describe('POST /runs/:id/cancel', () => {
  it('ends a run for its owner, and says who did', async () => {
    const gateway = await start();
    const operator = await gateway.as('operator');
    const id = await startLater(operator, 'sleeper');
    const pid = await pidOf(operator, id);
    const { status, body } = await operator.post<RunSummary>(`/runs/${id}/cancel`);
    expect({ status, id: body.id }).toEqual({ status: 202, id });
    expect(await ended(operator, id)).toMatchObject({ status: 'cancelled', outcome: { kind: 'cancelled', by: body.keyId } });
    expect(isAlive(pid)).toBe(false);
  });

  it('is for owners and admins; for others there is no such run, and for readonly keys no such right', async () => {
    const gateway = await start();
    const operator = await gateway.as('operator');
    const id = await startLater(operator, 'sleeper');
    expect(await gateway.with(await gateway.newKey()).post(`/runs/${id}/cancel`)).toMatchObject({
      status: 404,
      body: { code: 'run_unknown' },
    });
    expect(await (await gateway.as('readonly')).post(`/runs/${id}/cancel`)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect((await operator.get<RunEnvelope>(`/runs/${id}`)).body.outcome).toBeNull();
    expect((await (await gateway.as('admin')).post(`/runs/${id}/cancel`)).status).toBe(202);
    expect((await ended(operator, id)).status).toBe('cancelled');
  });

  it('conflicts with an end that has come', async () => {
    const operator = await (await start()).as('operator');
    const { id } = await operator.run('greet');
    expect(await operator.post(`/runs/${id}/cancel`)).toMatchObject({ status: 409, body: { code: 'conflict' } });
  });
});

describe('GET /commands', () => {
  it('shows what is inside the scopes of the key, to readonly keys too (T35)', async () => {
    const gateway = await start();
    const namesFor = async (caller: Caller) => (await caller.get<Page<CommandDescription>>('/commands')).body.items.map(({ name }) => name);
    expect(await namesFor(await gateway.as('readonly'))).toEqual(Object.keys(commands).sort());
    const narrow = await gateway.as('operator', ['print.*', 'show']);
    expect(await namesFor(narrow)).toEqual(['print.both', 'print.env', 'print.escapes', 'print.json', 'show']);
    expect(await narrow.get('/commands/show')).toMatchObject({ status: 200, body: { name: 'show', params: { required: ['value'] } } });
    const [hidden, unknown] = [await narrow.get<Problem>('/commands/cached'), await narrow.get<Problem>('/commands/nope')];
    expect(hidden).toMatchObject({ status: 404, body: { code: 'command_unknown' } });
    expect({ ...hidden.body, requestId: '', traceId: '' }).toEqual({ ...unknown.body, requestId: '', traceId: '' });
  });

  it('gives an example that runs as it stands', async () => {
    const gateway = await start();
    const operator = await gateway.as('operator');
    const { body } = await operator.get<CommandDescription>('/commands/shout');
    expect(body.curl).toContain(`'${gateway.url}/run'`);
    expect(await operator.run('shout', body.example.args)).toMatchObject({ status: 'succeeded' });
  });
});

describe('a cached command', () => {
  it('is not run again for the same arguments and rights', async () => {
    const gateway = await start();
    const operator = await gateway.as('operator');
    const first = await operator.run('cached');
    const second = await operator.run('cached');
    expect(first).toMatchObject({ cached: false, attempts: 1 });
    expect(second).toMatchObject({ cached: true, attempts: 0, status: 'succeeded', stdout: first.stdout });
    expect(second.id).not.toBe(first.id);
    expect(gateway.launches).toHaveLength(1);
    expect((await operator.get<RunEnvelope>(`/runs/${second.id}`)).body).toMatchObject({ cached: true, stdout: first.stdout });
    expect((await operator.stream({ command: 'cached' })).map(({ event }) => event)).toEqual(['run.started', 'output', 'run.finished']);
  });

  it('gives no result to a key of other rights (T62)', async () => {
    const gateway = await start();
    const callers = [
      await gateway.as('operator'),
      await gateway.as('admin'),
      await gateway.as('operator', ['cached']),
      await gateway.as('operator', ['c*']),
    ];
    for (const caller of callers) expect(await caller.run('cached')).toMatchObject({ cached: false });
    expect(gateway.launches).toHaveLength(callers.length);
    const twin = gateway.with(await gateway.newKey());
    expect(await twin.run('cached')).toMatchObject({ cached: true });
    for (const stranger of [await gateway.as('readonly'), await gateway.as('operator', ['show'])]) {
      expect((await stranger.post('/run', { command: 'cached' })).status).toBeGreaterThanOrEqual(400);
    }
  });
});
