import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { AuditEntry, Page } from '../src/domain/audit.js';
import { type ErrorCode, GatewayError, type Problem } from '../src/domain/errors.js';
import { IdempotencyStore } from '../src/domain/stores.js';
import type { BatchItem } from '../src/runs/batch.service.js';
import type { RunEnvelope, RunSummary } from '../src/runs/run-envelope.js';
import { command, drip, exits, show, sleeper, witness } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Answer, type Caller, parseEvents, type RunBody, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { exchange, requestText } from './kit/raw-http.js';
import { withDatabase } from './kit/storage.js';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-idempotency-'));
const marks = join(folder, 'marks');
const once = join(folder, 'once');
const commands = {
  show,
  drip,
  exits,
  sleeper,
  witness: { ...witness(marks), phrases: ['leave {mark}'] },
  'admin.only': command({ exec: ['true'], role: 'admin' }),
  rare: { ...witness(marks), limits: { rate: '1/h' } },
  fragile: { ...exits, breaker: 'fragile' },
  cached: command({ exec: ['date', '+%s%N'], cache: '1min' }),
  greet: command({ builtin: 'greet', params: { name: { type: 'string', optional: true } } }),
  consume: command({ exec: ['rm', '{file}'], params: { file: { type: 'path', root: folder, mustExist: true } }, effect: 'change' }),
  tells: command({ exec: [...witnessWords(), 'told'], params: { token: { type: 'secret' } }, env: { TOKEN: '{token}' }, effect: 'change' }),
};

function witnessWords(): readonly string[] {
  return (witness(marks)['exec'] as string[]).slice(0, 2);
}

let gateway: TestGateway;
let operator: Caller;

beforeAll(async () => {
  gateway = await startGateway({ commands });
  operator = await gateway.as('operator');
});
beforeEach(() => rmSync(marks, { force: true }));
afterAll(async () => {
  await stopGateways();
  rmSync(folder, { recursive: true });
});

let lastKey = 0;
/** A key that no test has used. */
const newKey = () => `key-${++lastKey}`;
const marked = () => (existsSync(marks) ? readFileSync(marks, 'utf8').split('\n').filter(Boolean) : []);
const replayed = ({ headers }: Answer<unknown>) => headers.get('idempotency-replayed');

/** A run, or why there is none. */
type Told = RunEnvelope & Pick<Problem, 'code' | 'detail'>;

/** One request through the door of that name, under a key. */
type Door = (caller: Caller, body: RunBody, key: string) => Promise<Answer<Told>>;

const DOORS: Readonly<Record<string, Door>> = {
  'POST /run': (caller, body, key) => caller.post('/run', body, { 'idempotency-key': key }),
  'POST /run, asynchronously': (caller, body, key) =>
    caller.post('/run', body, { 'idempotency-key': key, prefer: 'respond-async, wait=20' }),
  'POST /stream': async (caller, body, key) => {
    const answer = await caller.post<string>('/stream', body, { 'idempotency-key': key });
    if (answer.status !== 200) return answer as never;
    const events = parseEvents(answer.body);
    const stdout = events.flatMap(({ event, data }) => (event === 'output' ? [String(data['data'])] : [])).join('');
    return { ...answer, body: { ...events.at(-1)?.data, stdout, stderr: '', parsed: null } as never };
  },
};
const doors = Object.entries(DOORS);
const run = DOORS['POST /run'] as Door;

interface Batch {
  readonly items: readonly BatchItem[];
}

function batch(caller: Caller, items: readonly RunBody[], key: string, more: object = {}): Promise<Answer<Batch>> {
  return caller.post<Batch>('/batch', { items, ...more }, { 'idempotency-key': key });
}

/** What became of the items: id of the run, code of the problem, or `skipped`. */
function fates({ body }: Answer<Batch>): string[] {
  return body.items.map((item) => ('run' in item ? item.run.id : 'problem' in item ? item.problem.code : 'skipped'));
}

/** Number of the newest entry about a run; answers that replay one are noted as such. */
async function newestOfRuns(): Promise<number> {
  const admin = await gateway.as('admin');
  const newest = async (action: string) => (await admin.get<Page<AuditEntry>>(`/audit?action=${action}&limit=1`)).body.items[0]?.seq ?? 0;
  return Math.max(await newest('run.intent'), await newest('run.outcome'));
}

/** Starts a sleeper under the key and resolves when it is up. */
async function startSleeper(caller: Caller, key: string): Promise<string> {
  const { status, body } = await caller.post<RunEnvelope>(
    '/run',
    { command: 'sleeper' },
    { 'idempotency-key': key, prefer: 'respond-async' },
  );
  expect(status).toBe(202);
  return body.id;
}

async function cancel(caller: Caller, id: string): Promise<RunEnvelope> {
  expect((await caller.post(`/runs/${id}/cancel`)).status).toBe(202);
  return eventually(async () => {
    const { body } = await caller.get<RunEnvelope>(`/runs/${id}`);
    return body.outcome !== null && body;
  });
}

describe('the same request with the same key', () => {
  it('posted 100 times at once through all doors starts once; the others are told to wait or get that run', async () => {
    const key = newKey();
    const request = { command: 'witness', args: { mark: 'a' } };
    const before = gateway.launches.length;
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => doors[index % 3]![1](operator, request, key)));
    const runs = answers.filter(({ status }) => status === 200);
    expect(runs.filter((answer) => replayed(answer) === null)).toHaveLength(1);
    expect(new Set(runs.map(({ body }) => body.id)).size).toBe(1);
    for (const { body, headers } of answers.filter(({ status }) => status !== 200)) {
      expect([body.code, headers.get('retry-after')]).toEqual(['conflict', '1']);
    }
    expect(marked()).toEqual(['a']);
    expect(gateway.launches).toHaveLength(before + 1);
  });

  it.each(doors)('gets the same run through %s once it has ended: nothing runs, nothing is recorded', async (_name, door) => {
    const key = newKey();
    const request = { command: 'drip', args: { count: 3 } };
    const first = await door(operator, request, key);
    expect([first.status, first.body.status, replayed(first)]).toEqual([200, 'succeeded', null]);
    const [launches, entries] = [gateway.launches.length, await newestOfRuns()];
    for (const [, again] of [['itself', door] as const, ...doors]) {
      const answer = await again(operator, request, key);
      expect([answer.status, replayed(answer)]).toEqual([200, 'true']);
      expect(answer.body).toEqual(first.body);
    }
    expect([gateway.launches.length, await newestOfRuns()]).toEqual([launches, entries]);
  });

  it('gets a run that failed, and one that was cancelled, as they were', async () => {
    const [failing, ending] = [newKey(), newKey()];
    const failed = await run(operator, { command: 'exits', args: { code: 7 } }, failing);
    expect((await run(operator, { command: 'exits', args: { code: 7 } }, failing)).body).toEqual(failed.body);
    const cancelled = await cancel(operator, await startSleeper(operator, ending));
    const answer = await run(operator, { command: 'sleeper' }, ending);
    expect(answer).toMatchObject({ status: 200, body: cancelled });
    expect(cancelled.status).toBe('cancelled');
  });

  it('gets what its client’s leaving made of the run', async () => {
    const key = newKey();
    const leaving = new AbortController();
    const before = gateway.launches.length;
    const gone = operator.request('POST', '/run', {
      body: { command: 'sleeper' },
      headers: { 'idempotency-key': key },
      signal: leaving.signal,
    });
    await eventually(() => gateway.launches.length > before);
    leaving.abort();
    await expect(gone).rejects.toThrow();
    const answer = await eventually(async () => {
      const again = await run(operator, { command: 'sleeper' }, key);
      return again.status === 200 && again;
    });
    expect(answer.body.outcome).toEqual({ kind: 'cancelled', by: 'client_gone' });
  });

  it('is recognised whether the key is quoted, and whether the command is named or meant by a phrase', async () => {
    const key = newKey();
    const { body } = await run(operator, { command: 'witness', args: { mark: 'x' } }, key);
    for (const [request, spelling] of [
      [{ command: 'witness', args: { mark: 'x' } }, `"${key}"`],
      [{ text: 'Leave  x!' }, key],
    ] as const) {
      expect((await run(operator, request, spelling)).body.id).toBe(body.id);
    }
    expect(marked()).toEqual(['x']);
  });

  it('is answered 202 where a first one without waiting would be', async () => {
    const key = newKey();
    const { body } = await run(operator, { command: 'show', args: { value: 'x' } }, key);
    const later = await operator.post<RunEnvelope>(
      '/run',
      { command: 'show', args: { value: 'x' } },
      { 'idempotency-key': key, prefer: 'respond-async' },
    );
    expect([later.status, later.headers.get('location'), replayed(later)]).toEqual([202, `/runs/${body.id}`, 'true']);
    expect(later.body).toEqual(body);
  });

  it('spends nothing of the rate of the command', async () => {
    const key = newKey();
    const first = await run(operator, { command: 'rare' }, key);
    expect((await run(operator, { command: 'rare' }, key)).body).toEqual(first.body);
    expect((await run(operator, { command: 'rare' }, newKey())).body.code).toBe('rate_limited');
    expect(marked()).toHaveLength(1);
  });

  it('is recognised although the run has changed what its arguments point to', async () => {
    const key = newKey();
    const request = { command: 'consume', args: { file: 'once' } };
    writeFileSync(once, '');
    const first = await run(operator, request, key);
    expect([first.body.status, existsSync(once)]).toEqual(['succeeded', false]);
    expect((await operator.post<Problem>('/run', request)).body.code).toBe('invalid_arguments');
    expect((await run(operator, request, key)).body).toEqual(first.body);
  });

  it.each(['greet', 'cached'])('gets the same run of %s, which is recorded with its outcome', async (name) => {
    const key = newKey();
    await operator.run(name);
    const answers = await Promise.all(Array.from({ length: 30 }, () => run(operator, { command: name }, key)));
    const first = answers.find(({ status }) => status === 200);
    expect(answers.filter((answer) => answer.status === 200 && replayed(answer) === null)).toHaveLength(1);
    expect(answers.filter(({ status }) => status !== 200 && status !== 409)).toEqual([]);
    const again = await run(operator, { command: name }, key);
    expect([replayed(again), again.body]).toEqual(['true', first?.body]);
  });

  it.each(['greet', 'witness'])('runs %s once although another process records its run in between', async (name) => {
    const key = newKey();
    const first = await run(operator, { command: name }, key);
    const store = gateway.server.app.get(IdempotencyStore);
    const find = store.find.bind(store);
    // As the store was before the other one's commit.
    store.find = () => {
      store.find = find;
      return Promise.resolve(undefined);
    };
    const second = await run(operator, { command: name }, key);
    expect([second.body.id, replayed(second)]).toEqual([first.body.id, 'true']);
    expect(marked()).toHaveLength(name === 'witness' ? 1 : 0);
    const { body } = await operator.get<Page<RunSummary>>(`/runs?command=${name}&limit=1`);
    expect(body.items[0]?.id).toBe(first.body.id);
  });
});

describe('another request with the same key', () => {
  const first = { command: 'witness', args: { mark: 'a' } };
  const others: readonly RunBody[] = [
    { command: 'witness', args: { mark: 'b' } },
    { command: 'witness' },
    { command: 'show', args: { value: 'a' } },
    { command: 'rare', args: { mark: 'a' } },
    { text: 'leave b' },
  ];

  it.each(doors)('is refused at %s, and does not run', async (_name, door) => {
    const key = newKey();
    await run(operator, first, key);
    for (const other of others) {
      const answer = await door(operator, other, key);
      expect([answer.status, answer.body.code, replayed(answer)]).toEqual([422, 'idempotency_mismatch', null]);
    }
    expect(marked()).toEqual(['a']);
    expect((await door(operator, first, key)).status).toBe(200);
  });

  it('is refused while the first is under way too', async () => {
    const key = newKey();
    const id = await startSleeper(operator, key);
    expect((await run(operator, first, key)).body.code).toBe('idempotency_mismatch');
    await cancel(operator, id);
    expect(marked()).toEqual([]);
  });

  it('is told apart by a secret alone, of which nothing is kept', async () => {
    const key = newKey();
    const told = (token: string) => run(operator, { command: 'tells', args: { token } }, key);
    const { body } = await told('Tr0ub4dor' + 'One');
    expect((await told('Tr0ub4dor' + 'One')).body).toEqual(body);
    expect((await told('Tr0ub4dor' + 'Two')).body.code).toBe('idempotency_mismatch');
    const stored = withDatabase(gateway.dataDir, (database) => JSON.stringify(database.prepare('select * from idempotency_keys').all()));
    expect(stored).toContain(body.id);
    expect(stored).not.toContain('Tr0ub4dor');
  });
});

describe('a key whose run is under way', () => {
  it.each(doors)('is a conflict at %s that names the run', async (_name, door) => {
    const key = newKey();
    const id = await startSleeper(operator, key);
    const answer = await door(operator, { command: 'sleeper' }, key);
    expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([409, 'conflict', '1']);
    expect(answer.body.detail).toBe(`The run ${id} of this Idempotency-Key is still under way.`);
    await cancel(operator, id);
    expect((await door(operator, { command: 'sleeper' }, key)).body.id).toBe(id);
  });

  it('stays in conflict while the outcome cannot be recorded, and gives the run again once it is', async () => {
    const key = newKey();
    const { storage } = gateway.server.gateway.parts;
    const commit = storage.commit.bind(storage);
    storage.commit = (writes) =>
      writes.some(({ kind }) => kind === 'run.finish')
        ? Promise.reject(new GatewayError('storage_unavailable', 'The store cannot be written.'))
        : commit(writes);
    expect((await run(operator, { command: 'witness' }, key)).body.code).toBe('outcome_unrecorded');
    for (const [, door] of doors) expect((await door(operator, { command: 'witness' }, key)).body.code).toBe('conflict');
    storage.commit = commit;
    const again = await eventually(async () => {
      const answer = await run(operator, { command: 'witness' }, key);
      return answer.status === 200 ? answer : false;
    });
    expect([replayed(again), again.body.status, marked().length]).toEqual(['true', 'succeeded', 1]);
  });
});

describe('a key', () => {
  it('means something to its own principal only', async () => {
    const key = newKey();
    const request = { command: 'witness', args: { mark: 'a' } };
    const callers = [operator, gateway.with(await gateway.newKey()), await gateway.as('admin')];
    const ids = new Set<string>();
    for (const caller of callers) {
      const answer = await run(caller, request, key);
      expect([answer.status, replayed(answer), answer.body.keyId]).toEqual([200, null, caller.key?.slice(4, 16)]);
      ids.add(answer.body.id);
    }
    expect([ids.size, marked().length]).toEqual([3, 3]);
    expect((await run(callers[1]!, { command: 'show', args: { value: 'x' } }, key)).body.code).toBe('idempotency_mismatch');
  });

  it('of one principal holds up no other', async () => {
    const key = newKey();
    const callers = [operator, gateway.with(await gateway.newKey())];
    const ids = await Promise.all(callers.map((caller) => startSleeper(caller, key)));
    expect(new Set(ids).size).toBe(2);
    await Promise.all(callers.map((caller, index) => cancel(caller, ids[index]!)));
  });

  it('opens nothing to a readonly caller', async () => {
    const key = newKey();
    await run(operator, { command: 'witness' }, key);
    const reader = await gateway.as('readonly');
    for (const [, door] of doors) expect((await door(reader, { command: 'witness' }, key)).body.code).toBe('forbidden');
    expect((await batch(reader, [{ command: 'witness' }], key)).status).toBe(403);
    expect(marked()).toHaveLength(1);
  });

  const broken = ['', '""', 'two words', '"open', 'clé', 'x'.repeat(256), '"a", "b"', '"a";b'];
  it.each(broken)('that reads %j is refused at every door', async (key) => {
    const request = { command: 'witness' };
    for (const [path, body] of [
      ['/run', request],
      ['/stream', request],
      ['/batch', { items: [request] }],
    ] as const) {
      const answer = await operator.post<Problem>(path, body, { 'idempotency-key': key });
      expect([answer.status, answer.body.code, answer.body.errors?.[0]?.path]).toEqual([400, 'invalid_request', 'Idempotency-Key']);
    }
    expect(marked()).toEqual([]);
  });

  it('that comes twice is refused', async () => {
    const lines = [`X-API-Key: ${operator.key}`, 'Content-Type: application/json', 'Idempotency-Key: a', 'Idempotency-Key: a'];
    const { status } = await exchange(gateway.url, requestText('POST', '/run', lines, '{"command":"witness"}'));
    expect([status, marked()]).toEqual([400, []]);
  });

  it('is of no meaning elsewhere', async () => {
    expect((await operator.get('/runs', { 'idempotency-key': 'two words' })).status).toBe(200);
  });
});

describe('a request that is refused before its run exists', () => {
  const good = { command: 'show', args: { value: 'x' } };

  it.each<[ErrorCode, RunBody]>([
    ['command_unknown', { command: 'nowhere' }],
    ['forbidden', { command: 'admin.only' }],
    ['invalid_arguments', { command: 'show', args: { value: 7 } }],
  ])('as %s leaves its key free', async (code, request) => {
    const key = newKey();
    expect((await run(operator, request, key)).body.code).toBe(code);
    expect(await run(operator, good, key)).toMatchObject({ status: 200, body: { stdout: 'x\0' } });
  });

  it('for a rate leaves its key free', async () => {
    const other = gateway.with(await gateway.newKey());
    const key = newKey();
    await run(other, { command: 'rare' }, newKey());
    expect((await run(other, { command: 'rare' }, key)).body.code).toBe('rate_limited');
    expect((await run(other, good, key)).status).toBe(200);
  });

  it('for want of a slot leaves its key free', async () => {
    const small = await startGateway({ commands, settings: { MAX_CONCURRENT_RUNS: '1', QUEUE_LIMIT: '0' } });
    const caller = await small.as('operator');
    const [held, key] = [await startSleeper(caller, newKey()), newKey()];
    expect((await run(caller, good, key)).body.code).toBe('busy');
    await cancel(caller, held);
    // And those that come with it at once take no slot from each other.
    const answers = await Promise.all(Array.from({ length: 20 }, () => run(caller, good, key)));
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
    expect(answers.filter(({ status }) => status !== 200 && status !== 409)).toEqual([]);
    await small.stop();
  });

  it.each(['show', 'greet'])('because %s cannot be recorded leaves its key free', async (name) => {
    const key = newKey();
    const { storage } = gateway.server.gateway.parts;
    const commit = storage.commit.bind(storage);
    const request = name === 'show' ? good : { command: name };
    storage.commit = () => Promise.reject(new GatewayError('storage_unavailable', 'The store cannot be written.'));
    expect((await run(operator, request, key)).body.code).toBe('storage_unavailable');
    storage.commit = commit;
    const answer = await run(operator, request, key);
    expect([answer.status, replayed(answer)]).toEqual([200, null]);
  });
});

describe('a run that was refused after it was accepted', () => {
  it('is refused again, through every door, and never tried again', async () => {
    const key = newKey();
    for (let failure = 0; failure < 5; failure++) await operator.run('fragile', { code: 1 });
    const request = { command: 'fragile', args: { code: 0 } };
    const first = await run(operator, request, key);
    expect([first.status, first.body.code, first.headers.get('retry-after')]).toEqual([503, 'breaker_open', '30']);
    const launches = gateway.launches.length;
    for (const name of ['POST /run', 'POST /run, asynchronously']) {
      const again = await DOORS[name]!(operator, request, key);
      expect([again.status, again.body.code, replayed(again), again.headers.get('retry-after')]).toEqual([
        503,
        'breaker_open',
        'true',
        null,
      ]);
    }
    const streamed = await DOORS['POST /stream']!(operator, request, key);
    expect([streamed.status, replayed(streamed), streamed.body.outcome]).toEqual([
      200,
      'true',
      { kind: 'rejected', reason: 'breaker_open' },
    ]);
    const items = await batch(operator, [request], newKey());
    expect([fates(items), replayed(items)]).toEqual([['breaker_open'], null]);
    expect(gateway.launches).toHaveLength(launches);
  });
});

describe('a batch with a key', () => {
  const item = (mark: string) => ({ command: 'witness', args: { mark } });

  it('posted again gives the same runs', async () => {
    const key = newKey();
    const items = [item('a'), item('b'), item('a'), { text: 'leave d' }];
    const first = await batch(operator, items, key);
    const second = await batch(operator, items, key);
    expect([replayed(first), replayed(second)]).toEqual([null, 'true']);
    expect(new Set(fates(first)).size).toBe(4);
    expect(second.body.items).toEqual(first.body.items.map((given) => ({ ...given, replayed: true })));
    expect(marked().toSorted()).toEqual(['a', 'a', 'b', 'd']);
  });

  it('runs what is new in it, gives again what is not, and refuses what has changed', async () => {
    const key = newKey();
    const first = await batch(operator, [item('a'), item('b')], key, { mode: 'sequential' });
    const second = await batch(operator, [item('a'), item('x'), item('c'), { command: 'nowhere' }], key, { mode: 'sequential' });
    expect(fates(second)).toEqual([fates(first)[0], 'idempotency_mismatch', expect.stringMatching(/^run_/), 'command_unknown']);
    expect(replayed(second)).toBeNull();
    expect(marked()).toEqual(['a', 'b', 'c']);
  });

  it('stops where it stopped before', async () => {
    const key = newKey();
    const items = [item('a'), { command: 'exits', args: { code: 3 } }, item('b')];
    const more = { mode: 'sequential', stopOnError: true };
    const [first, second] = [await batch(operator, items, key, more), await batch(operator, items, key, more)];
    expect(fates(second)).toEqual(fates(first));
    expect([fates(first)[2], replayed(second)]).toEqual(['skipped', 'true']);
    expect(marked()).toEqual(['a']);
  });

  it('shares no key with single requests, whatever they are called', async () => {
    const key = newKey();
    const { body } = await batch(operator, [item('a')], key);
    for (const other of [key, `${key}0`, `${key}/0`, `${key}#0`, `${key}.0`])
      expect(replayed(await run(operator, item('a'), other))).toBeNull();
    expect((await run(operator, item('a'), `${key} 0`)).status).toBe(400);
    expect([body.items.length, marked().length]).toEqual([1, 6]);
  });

  it('has items in conflict while they are under way', async () => {
    const key = newKey();
    const before = gateway.launches.length;
    const leaving = new AbortController();
    const request = { body: { items: [{ command: 'sleeper' }, item('a')] }, headers: { 'idempotency-key': key } };
    const first = operator.request<Batch>('POST', '/batch', { ...request, signal: leaving.signal });
    await eventually(() => gateway.launches.length === before + 2 && marked().length === 1);
    const second = await eventually(async () => {
      const answer = await operator.request<Batch>('POST', '/batch', request);
      return fates(answer)[1] !== 'conflict' && answer;
    });
    expect(fates(second)).toEqual(['conflict', expect.stringMatching(/^run_/)]);
    leaving.abort();
    await expect(first).rejects.toThrow();
    const third = await eventually(async () => {
      const answer = await operator.request<Batch>('POST', '/batch', request);
      return fates(answer)[0] !== 'conflict' && answer;
    });
    expect(third.body.items[0]).toMatchObject({ run: { outcome: { by: 'client_gone' } }, replayed: true });
    expect([marked(), gateway.launches.length]).toEqual([['a'], before + 2]);
  });
});

describe('the life of a key', () => {
  const request = { command: 'witness', args: { mark: 'a' } };
  const age = (key: string, ms: number) =>
    withDatabase(gateway.dataDir, (database) =>
      database.prepare('update idempotency_keys set created_at = ? where key = ?').run(new Date(Date.now() - ms).toISOString(), key),
    );
  const DAY_MS = 86_400_000;

  it('ends after 24 hours: then it may stand for another request', async () => {
    const key = newKey();
    const first = await run(operator, request, key);
    age(key, DAY_MS - 60_000);
    expect((await run(operator, request, key)).body.id).toBe(first.body.id);
    age(key, DAY_MS + 1);
    const other = await run(operator, { command: 'show', args: { value: 'x' } }, key);
    expect([other.status, replayed(other)]).toEqual([200, null]);
    expect((await run(operator, { command: 'show', args: { value: 'x' } }, key)).body.id).toBe(other.body.id);
    expect((await run(operator, request, key)).body.code).toBe('idempotency_mismatch');
    expect(marked()).toEqual(['a']);
  });

  it('goes on when retention has removed the run: nothing runs again', async () => {
    const key = newKey();
    const { body } = await run(operator, request, key);
    await gateway.server.gateway.parts.db.commit([{ kind: 'run.remove', ids: [body.id] }]);
    for (const [, door] of doors) {
      const answer = await door(operator, request, key);
      expect([answer.status, answer.body.code]).toEqual([404, 'run_unknown']);
    }
    expect(marked()).toEqual(['a']);
  });

  it('is over for good when it is pruned, which each start does', async () => {
    const dataDir = mkdtempSync(join(folder, 'data-'));
    const first = await startGateway({ commands, dataDir });
    const caller = await first.as('operator');
    const [old, young] = [newKey(), newKey()];
    await run(caller, request, old);
    await run(caller, request, young);
    withDatabase(dataDir, (database) =>
      database.prepare('update idempotency_keys set created_at = ? where key = ?').run('2020-01-01T00:00:00.000Z', old),
    );
    await first.stop();
    const second = await startGateway({ commands, dataDir });
    const keys = () =>
      withDatabase(dataDir, (database) =>
        database
          .prepare('select key from idempotency_keys')
          .all()
          .map((row) => (row as { key: string }).key),
      );
    await eventually(() => keys().length === 1);
    expect(keys()).toEqual([young]);
    expect(replayed(await run(second.with(caller.key!), request, young))).toBe('true');
    await second.stop();
  });
});

describe('whatever callers do with a few keys', () => {
  it('each key stands for one run of one request', async () => {
    const step = fc.record({
      door: fc.constantFrom(...Object.keys(DOORS)),
      key: fc.integer({ min: 0, max: 1 }),
      request: fc.constantFrom<RunBody>(
        { command: 'witness', args: { mark: 'a' } },
        { command: 'witness', args: { mark: 'b' } },
        { command: 'greet' },
      ),
      /** Before the next one is sent. */
      waits: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 8 }), async (steps) => {
        rmSync(marks, { force: true });
        const keys = [newKey(), newKey()];
        const sent: Promise<Seen>[] = [];
        for (const { door, key, request, waits } of steps) {
          const answer = DOORS[door]!(operator, request, keys[key]!).then((given) => ({ key, request, given }));
          sent.push(answer);
          if (waits) await answer;
        }
        const seen = await Promise.all(sent);
        const winners = [0, 1].flatMap((key) => soundAnswers(seen.filter((one) => one.key === key)));
        expect(marked().toSorted()).toEqual(winners.flatMap(markOf).toSorted());
      }),
      { numRuns: 25 },
    );
  });
});

interface Seen {
  readonly key: number;
  readonly request: RunBody;
  readonly given: Answer<Told>;
}

/** The request that ran, after a look at what each of those with its key was told. */
function soundAnswers(seen: readonly Seen[]): readonly RunBody[] {
  const winners = seen.filter(({ given }) => given.status === 200 && replayed(given) === null);
  expect(winners).toHaveLength(seen.length === 0 ? 0 : 1);
  for (const { request, given } of seen) {
    const same = request === winners[0]?.request;
    expect([200, 409, 422]).toContain(given.status);
    expect(given.status === 422).toBe(!same);
    if (given.status === 200) expect(given.body.id).toBe(winners[0]?.given.body.id);
  }
  return winners.map(({ request }) => request);
}

/** The line that a request leaves behind when it runs. */
function markOf({ args }: RunBody): readonly string[] {
  return Object.values((args ?? {}) as Record<string, string>);
}
