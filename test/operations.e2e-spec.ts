import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { formatKey, generateKey } from '../src/auth/key-format.js';
import { VERSION } from '../src/config/version.js';
import type { AuditEntry, Page } from '../src/domain/audit.js';
import { type ErrorCode, ERRORS, type Problem } from '../src/domain/errors.js';
import { TRIPWIRE_RULES } from '../src/domain/tripwire.js';
import { maskOf, REDACTION_KINDS } from '../src/redaction/masks.js';
import type { BatchItem } from '../src/runs/batch.service.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { DROP_REASONS } from '../src/tracing/span-queue.js';
import { fixture } from './fixtures/fixture.js';
import { command, exits, show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Answer, type Caller, Caller as ApiCaller, startGateway, stopGateways } from './kit/gateway.js';
import { type Program, type ProgramHome, programHome, removeHomes } from './kit/program.js';
import { exchange, type RawAnswer, requestText } from './kit/raw-http.js';
import { SAMPLE_SECRETS } from './kit/sample-secrets.js';
import { parseScrape, type Scrape } from './kit/scrape.js';

/** What a program prints that knows every kind of secret; beside it an exact one, declared as such, in several encodings. */
const folder = mkdtempSync(join(tmpdir(), 'sallyport-secrets-'));
const secretsFile = join(folder, 'secrets');
const DECLARED = 'Hush & ' + 'Tr0ub4dor/3?';

const commands = {
  show,
  exits,
  sleeper,
  'print.env': command({ exec: [fixture('print-env')] }),
  hangs: { ...sleeper, timeout: '100ms' },
  single: { ...sleeper, limits: { concurrent: 1 } },
  rare: { ...exits, limits: { rate: '1/h' } },
  cached: command({ exec: ['date', '+%s%N'], cache: '1min' }),
  fragile: { ...exits, breaker: 'tests' },
  flaky: command({ exec: ['false'], retry: { attempts: 3 } }),
  leaks: command({ exec: [fixture('prints-file'), secretsFile] }),
  'leaks.lines': command({ exec: ['cat', secretsFile], output: { parse: 'lines' }, cache: '1min' }),
  tells: command({
    script: {
      interpreter: 'sh',
      text: 'printf "%s\\n" "$TOKEN" "$(printf %s "$TOKEN" | base64)" "$(printf %s "$TOKEN" | od -An -tx1 | tr -d " \\n")"; printf "%s" "$TOKEN" >&2',
    },
    params: { token: { type: 'secret' } },
    env: { TOKEN: '{token}' },
  }),
};

let home: ProgramHome;
let server: Program;
let admin: Caller;
let anonymous: Caller;

beforeAll(async () => {
  writeFileSync(secretsFile, `${SAMPLE_SECRETS.map(({ line }) => line).join('\n')}\n`);
  home = programHome({ commands });
  server = await home.serve({ LOG_LEVEL: 'trace' });
  admin = await server.as(home.adminKey);
  anonymous = new ApiCaller(admin.url, undefined);
});
afterAll(async () => {
  await removeHomes();
  rmSync(folder, { recursive: true });
});
afterEach(stopGateways);

/** A key of this server. */
async function newKey(role: string): Promise<string> {
  return (await admin.post<{ key: string }>('/auth/token', { name: 'test', role })).body.key;
}

async function scrape(caller = anonymous): Promise<Scrape> {
  return parseScrape((await caller.get<string>('/metrics')).body);
}

/** Log lines about the request of this answer, once there is one. */
function linesOf(answer: Answer<unknown> | RawAnswer): Promise<Record<string, unknown>[]> {
  const id = header(answer, 'x-request-id');
  return eventually(() => {
    const lines = server.log().filter((line) => line['request_id'] === id);
    return lines.length > 0 && lines;
  });
}

function header({ headers }: Answer<unknown> | RawAnswer, name: string): string | null {
  return headers instanceof Headers ? headers.get(name) : ((headers as Record<string, string>)[name] ?? null);
}

/** Everything the server has said so far. Waits for the line of a last request, for the log is written in the background. */
async function everythingSaid(): Promise<string> {
  await linesOf(await anonymous.get('/health'));
  return server.stdout + server.stderr;
}

const post = (path: string, lines: readonly string[], body: string | Buffer) =>
  requestText('POST', path, [`X-API-Key: ${home.adminKey}`, ...lines], body);
const asJson = 'Content-Type: application/json';

/** A refused request of each kind: what is sent, what it is answered, and the route that log and metrics name. */
const refusals: readonly (readonly [code: ErrorCode, route: string, send: () => Promise<Answer<unknown> | RawAnswer>])[] = [
  ['malformed_request', '/run', () => admin.request('POST', '/run', { raw: '{"command":' })],
  ['malformed_request', '/run', () => exchange(admin.url, post('/run', [asJson], Buffer.from([0x22, 0xc3, 0x28, 0x22])))],
  ['invalid_request', '/run', () => admin.post('/run', { command: 7 })],
  ['invalid_arguments', '/run', () => admin.post('/run', { command: 'show' })],
  ['unauthenticated', '/auth/me', () => anonymous.get('/auth/me')],
  ['forbidden', '/run', async () => new ApiCaller(admin.url, await newKey('readonly')).post('/run', { command: 'show' })],
  ['not_found', 'unmatched', () => admin.get('/nope/slp_nope?key=value')],
  ['command_unknown', '/commands/:name', () => admin.get('/commands/nope')],
  ['run_unknown', '/runs/:id', () => admin.get('/runs/run_nope')],
  ['method_not_allowed', 'unmatched', () => admin.request('DELETE', '/run')],
  ['payload_too_large', '/run', () => admin.request('POST', '/run', { raw: `"${'x'.repeat(1024 ** 2)}"` })],
  ['unsupported_media_type', '/run', () => admin.request('POST', '/run', { raw: '<run/>', headers: { 'content-type': 'text/xml' } })],
];

describe('every answer', () => {
  /** What helmet sets, and what must not be there. */
  function expectGuarded(answer: Answer<unknown> | RawAnswer): void {
    const policy = header(answer, 'content-security-policy') ?? '';
    for (const rule of ["default-src 'self'", "frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"])
      expect(policy).toContain(rule);
    expect(header(answer, 'x-content-type-options')).toBe('nosniff');
    expect(header(answer, 'x-frame-options')).toBe('SAMEORIGIN');
    expect(header(answer, 'referrer-policy')).toBe('no-referrer');
    expect(header(answer, 'cross-origin-opener-policy')).toBe('same-origin');
    expect(header(answer, 'cache-control')).toContain('no-store');
    for (const name of ['x-powered-by', 'server', 'strict-transport-security', 'access-control-allow-origin'])
      expect(header(answer, name)).toBeNull();
    expect(header(answer, 'x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
  }

  it.each(refusals)('that is %s (at %s) is a problem, guarded, logged once and counted', async (code, route, send) => {
    const before = await scrape();
    const answer = await send();
    const problem = (typeof answer.body === 'string' ? JSON.parse(answer.body) : answer.body) as Problem;
    expect({
      status: answer.status,
      type: header(answer, 'content-type')?.split(';', 1)[0],
      code: problem.code,
      id: problem.requestId,
    }).toEqual({
      status: ERRORS[code].status,
      type: 'application/problem+json',
      code,
      id: header(answer, 'x-request-id'),
    });
    expectGuarded(answer);
    expect(header(answer, 'allow')).toBe(code === 'method_not_allowed' ? 'POST' : null);
    expect(header(answer, 'www-authenticate')).toBe(code === 'unauthenticated' ? 'Bearer realm="sallyport"' : null);
    const lines = await linesOf(answer);
    expect(lines.map(({ level, message, status, route: logged }) => ({ level, message, status, route: logged }))).toEqual([
      { level: 'info', message: 'request', status: answer.status, route },
    ]);
    const after = await scrape();
    expect(after.value('errors_total', { code }) - before.value('errors_total', { code })).toBe(1);
    const series = { route, status: `${answer.status}` };
    expect(after.value('http_requests_total', series) - before.value('http_requests_total', series)).toBe(1);
  });

  it.each(['/health', '/ready', '/metrics', '/auth/me', '/commands', '/runs', '/docs', '/openapi.json', '/openapi.yaml'])(
    'from %s is guarded, and logged once',
    async (path) => {
      for (const method of ['GET', 'HEAD']) {
        const answer = await admin.request(method, path);
        expect(answer.status).toBe(200);
        expectGuarded(answer);
        expect(await linesOf(answer)).toEqual([expect.objectContaining({ method, route: path, status: 200, message: 'request' })]);
      }
    },
  );

  it('to a run, a batch and a stream is guarded, and logged once', async () => {
    const run = { command: 'show', args: { value: 'x' } };
    for (const [path, body] of [
      ['/run', run],
      ['/batch', { items: [run, run] }],
      ['/stream', run],
    ] as const) {
      const answer = await admin.post(path, body);
      expectGuarded(answer);
      expect(await linesOf(answer)).toEqual([expect.objectContaining({ method: 'POST', route: path, status: 200 })]);
    }
  });

  it('to bytes that are no request is guarded too', async () => {
    for (const bytes of ['noise\r\n\r\n', `GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`])
      expectGuarded(await exchange(admin.url, bytes));
    const nowhere = await exchange(admin.url, 'GET /health HTTP/1.1\r\n\r\n');
    expectGuarded(nowhere);
    expect([nowhere.status, (JSON.parse(nowhere.body) as Problem).code]).toEqual([400, 'malformed_request']);
    expect(await linesOf(nowhere)).toMatchObject([{ route: '/health', status: 400 }]);
    const hopeful = await exchange(admin.url, requestText('GET', '/health', ['Expect: the best']));
    expectGuarded(hopeful);
    expect(hopeful.status).toBe(200);
  });

  it.each(['/runs/%zz', `/runs/${'x'.repeat(2_048)}`])('to an address that cannot be read is like any other: %.10s', async (path) => {
    const before = await scrape();
    const answer = await exchange(admin.url, requestText('GET', path, []));
    expectGuarded(answer);
    expect([400, 414]).toContain(answer.status);
    expect(await linesOf(answer)).toMatchObject([{ route: 'unmatched', status: answer.status }]);
    const series = { method: 'GET', route: 'unmatched', status: String(answer.status) };
    const counted = (at: Scrape) => at.value('http_requests_total', series);
    expect(counted(await scrape()) - counted(before)).toBe(1);
  });

  it('that nobody waited for is logged and counted as such, and is no fault of ours', async () => {
    const before = await scrape();
    await exchange(admin.url, post('/run', [asJson, 'Expect: 100-continue'], '{"command":"show"}').subarray(0, -5), (text) =>
      text.includes(' 100 '),
    );
    for (const path of ['/run', '/stream']) {
      const client = new AbortController();
      const asked = admin.request('POST', path, { body: { command: 'sleeper' }, signal: client.signal });
      const gone = asked.catch((error: Error) => error.name);
      await eventually(async () => (await scrape()).value('runs_active') === 1);
      client.abort();
      expect(await gone).toBe('AbortError');
      await eventually(async () => (await scrape()).value('runs_active') === 0);
    }
    const after = await eventually(async () => {
      const now = await scrape();
      // The scrape itself is being answered.
      return now.value('http_requests_in_flight') === 1 && now;
    });
    const moved = (name: string, labels: Record<string, string>) => after.value(name, labels) - before.value(name, labels);
    expect(moved('http_requests_total', { route: '/run', status: '499' })).toBe(2);
    // Its head may have been out already, or not.
    expect(moved('http_requests_total', { route: '/stream' })).toBe(1);
    expect(moved('errors_total', { code: 'malformed_request' })).toBeGreaterThanOrEqual(1);
    expect(after.value('errors_total', { code: 'internal' })).toBe(0);
    await everythingSaid();
    expect(server.log().filter(({ status, route }) => status === 499 && route === '/run')).toHaveLength(2);
    expect(server.log().filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
  });
});

describe('clients that leave at any moment', () => {
  it('leave no run behind, and no error of ours', async () => {
    const { port } = new URL(admin.url);
    const request = post('/stream', [asJson], '{"command":"sleeper"}');
    for (let round = 0; round < 60; round++) {
      const socket = connect(Number(port), '127.0.0.1');
      await once(socket, 'connect');
      socket.write(request);
      await delay(round % 12);
      socket.resetAndDestroy();
    }
    await eventually(async () => (await scrape()).value('runs_active') === 0);
    await eventually(async () => (await scrape()).value('http_requests_in_flight') === 1);
    await everythingSaid();
    expect(server.log().filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
    expect((await scrape()).value('errors_total', { code: 'internal' })).toBe(0);
  });
});

describe('a log line', () => {
  it('says who asked what, when, from where, how it went and how long it took', async () => {
    const trace = 'ab'.repeat(16);
    const headers = { 'user-agent': 'test/1.0', traceparent: `00-${trace}-${'cd'.repeat(8)}-01`, 'x-request-id': 'line-1' };
    const answer = await admin.get('/runs/run_nope?secret=value', headers);
    expect(await linesOf(answer)).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        request_id: 'line-1',
        trace_id: trace,
        method: 'GET',
        route: '/runs/:id',
        status: 404,
        latency_ms: expect.any(Number),
        key_id: home.adminKey.slice(4, 16),
        address: '127.0.0.1',
        user_agent: 'test/1.0',
        message: 'request',
      },
    ]);
    const [line] = await linesOf(await anonymous.get('/health'));
    expect(line).not.toHaveProperty('key_id');
    expect(line?.['latency_ms']).toBeGreaterThan(0);
  });

  it('holds no key, wherever the request had it (T40)', async () => {
    const [good, wrong, mistyped] = [
      await newKey('operator'),
      formatKey({ ...generateKey(), id: home.adminKey.slice(4, 16) }),
      `${generateKey().text.slice(0, -1)}!`,
    ];
    const password = 'Pa55' + 'word-of-nobody';
    for (const key of [good, wrong, mistyped]) {
      const asked = [
        anonymous.get('/auth/me', { 'x-api-key': key }),
        anonymous.get('/auth/me', { authorization: `Bearer ${key}` }),
        anonymous.get('/auth/me', { authorization: `Bearer ${key}`, 'x-api-key': key }),
        anonymous.get(`/auth/me?key=${key}&api_key=${key}`),
        anonymous.get(`/commands/${encodeURIComponent(key)}`),
        anonymous.get(`/${encodeURIComponent(key)}`),
        admin.get(`/runs?cursor=${encodeURIComponent(key)}`),
        admin.request('POST', '/run', { raw: `{"${key}"` }),
        admin.post('/run', { command: 'show', args: { [key]: key } }),
        admin.post('/run', { command: key }),
        admin.post('/run', { text: `show ${key}` }),
        anonymous.get('/health', { 'x-request-id': key, traceparent: key }),
      ];
      for (const answer of await Promise.all(asked)) expect(header(answer, 'x-request-id')).not.toContain('slp_');
    }
    await anonymous.get('/auth/me', { authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}` });
    await admin.run('show', { value: password });
    await admin.run('tells', { token: password });
    const said = await everythingSaid();
    for (const secret of [good, wrong, mistyped, home.adminKey, password, Buffer.from(`admin:${password}`).toString('base64')])
      for (const part of [secret, secret.slice(17, 49)].filter((text) => text.length >= 8)) expect(said).not.toContain(part);
    expect(said).not.toContain('slp_');
  });

  it('cannot be forged, broken or blown up by what a client sends (T44)', async () => {
    const forged = '{"level":"fatal","message":"forged"}';
    const sent = [
      ['User-Agent: "}', `\t${forged}`].join(''),
      `User-Agent: \x9b31m\x85${forged}\x84\xff`,
      `User-Agent: ${'long'.repeat(3_000)}`,
      `X-Request-Id: ${forged}`,
      `X-Request-Id: ${'i'.repeat(10_000)}`,
      `X-Request-Id: a\tb`,
      `traceparent: 00-${forged}-01`,
      `traceparent: 00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`,
      `X-Forwarded-For: ${forged}`,
    ];
    for (const line of sent) {
      const answer = await exchange(admin.url, requestText('GET', '/health', [line]));
      expect([line, answer.status]).toEqual([line, 200]);
      expect(header(answer, 'x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
      const [logged, ...more] = await linesOf(answer);
      expect(more).toEqual([]);
      expect(logged).toMatchObject({ trace_id: expect.stringMatching(/^(?!0{32})[0-9a-f]{32}$/), address: '127.0.0.1' });
      expect(logged?.['user_agent'] ?? '').toMatch(/^.{0,200}$/s);
    }
    for (const line of ['User-Agent: a\x1b[31m', `User-Agent: a\r\n ${forged}`, `User-Agent: a\n${forged}`, 'User-Agent: a\0b'])
      expect((await exchange(admin.url, requestText('GET', '/health', [line]))).status).toBe(400);
    const said = await everythingSaid();
    // Tabs, escapes and their like, raw; line feeds part the lines.
    expect(said.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/g)).toBeNull();
    for (const line of said.split('\n').filter(Boolean))
      expect(JSON.parse(line)).toMatchObject({ level: expect.stringMatching(/^(?:debug|info|warn)$/) });
  });

  it('is for people where the operator wants it so', async () => {
    const other = programHome({ commands: { show } }).start(['serve'], { LOG_FORMAT: 'pretty' });
    const url = await eventually(() => /http:\/\/127\.0\.0\.1:\d+/.exec(other.stdout)?.[0] ?? false, 15_000);
    await new ApiCaller(url, undefined).get('/nope/x', { 'user-agent': 'people/1' });
    await eventually(() => /route.*unmatched/.test(other.stdout) && other.stdout.includes('people/1'));
    expect(other.stdout).not.toMatch(/^\{/m);
    expect((await other.end('SIGTERM')).code).toBe(0);
  });
});

describe('a request id and a trace', () => {
  it('are the same in answer, run, child, audit and log', async () => {
    const trace = '0af7651916cd43dd8448eb211c80319c';
    const headers = { 'x-request-id': 'mine.2_b-C', traceparent: `00-${trace}-b7ad6b7169203331-01` };
    const answer = await admin.post<RunEnvelope>('/run', { command: 'print.env' }, headers);
    expect(answer.headers.get('x-request-id')).toBe('mine.2_b-C');
    expect(answer.body).toMatchObject({
      requestId: 'mine.2_b-C',
      stdout: expect.stringMatching(new RegExp(`^TRACEPARENT=00-${trace}-(?!b7ad6b71)[0-9a-f]{16}-01$`, 'm')),
    });
    const { items } = (await admin.get<Page<AuditEntry>>('/audit?limit=2')).body;
    expect(items.map(({ action, subject, requestId }) => ({ action, subject, requestId }))).toEqual(
      ['run.outcome', 'run.intent'].map((action) => ({ action, subject: answer.body.id, requestId: 'mine.2_b-C' })),
    );
    expect(await linesOf(answer)).toEqual([expect.objectContaining({ request_id: 'mine.2_b-C', trace_id: trace })]);
  });

  it('are made where the client gives none, new for each request', async () => {
    const answers = [
      await admin.post<RunEnvelope>('/run', { command: 'print.env' }),
      await admin.post<RunEnvelope>('/run', { command: 'print.env' }),
    ];
    const traces = answers.map(({ body }) => /^TRACEPARENT=00-([0-9a-f]{32})-[0-9a-f]{16}-00$/m.exec(body.stdout)?.[1]);
    expect(new Set([undefined, ...traces]).size).toBe(3);
    expect((await Promise.all(answers.map(linesOf))).flat().map((line) => line['trace_id'])).toEqual(traces);
    expect(new Set(answers.map(({ body }) => body.requestId)).size).toBe(2);
  });
});

describe('probes', () => {
  it('tell that it lives, to everybody', async () => {
    for (const path of ['/health', '/livez']) {
      expect(await new ApiCaller(admin.url, 'nonsense').get(path)).toMatchObject({
        status: 200,
        body: { status: 'ok', version: '0.1.0', uptime_seconds: expect.any(Number), websocket_clients: 0, events_received: 0 },
      });
    }
    const { body } = await anonymous.get<{ timestamp: string }>('/health');
    expect(Math.abs(Date.parse(body.timestamp) - Date.now())).toBeLessThan(5_000);
    for (const path of ['/ready', '/readyz']) expect(await anonymous.get(path)).toMatchObject({ status: 200, body: { status: 'ready' } });
  });

  it('name what fails, while it goes on living, and refuse what cannot be recorded', async () => {
    const gateway = await startGateway({ commands: { show } });
    const operator = await gateway.as('operator');
    expect((await operator.get('/ready')).body).toEqual({ status: 'ready' });
    renameSync(join(gateway.dataDir, 'sallyport.db'), join(gateway.dataDir, 'moved.db'));
    const ready = await eventually(async () => {
      const answer = await operator.get('/ready');
      return answer.status === 503 && answer;
    });
    expect(ready.body).toEqual({ status: 'unready', failing: ['storage', 'audit'], restartRequired: true });
    expect((await operator.get('/health')).status).toBe(200);
    expect(await operator.post('/run', { command: 'show', args: { value: 'x' } })).toMatchObject({
      status: 503,
      body: { code: 'storage_unavailable' },
    });
    expect(gateway.launches).toEqual([]);
  });
});

describe('metrics', () => {
  const page = readFileSync('docs/operations.md', 'utf8');
  /** The table of the page: name → kind and labels. */
  const documented = new Map(
    [...page.matchAll(/^\| ((?:`\w+` ?)+) +\| (counter|gauge|histogram) +\|([^|]*)\|/gm)].flatMap(
      ([, names = '', kind = '', labels = '']) =>
        [...names.matchAll(/`(\w+)`/g)].map(
          ([, name = '']) => [name, { kind, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label).toSorted() }] as const,
        ),
    ),
  );

  it('are those of the operator’s page, by name, kind and labels, and all of them move', async () => {
    const before = await scrape();
    const running = ['sleeper', 'single', 'single'].map(
      async (name) => (await admin.post<RunEnvelope>('/run', { command: name }, { prefer: 'respond-async' })).body.id,
    );
    const ids = await Promise.all(running);
    const during = await scrape();
    expect([during.value('runs_active'), during.value('runs_queued'), during.value('http_requests_in_flight')]).toEqual([2, 1, 1]);
    for (const id of ids.toReversed()) await admin.post(`/runs/${id}/cancel`);
    await admin.run('exits', { code: 0 });
    await admin.run('exits', { code: 9 });
    await admin.run('hangs');
    await admin.run('show', { value: 'twelve bytes' });
    await admin.run('flaky');
    await admin.run('cached');
    await admin.run('cached');
    await admin.run('leaks');
    await admin.run('rare', { code: 0 });
    expect((await admin.post('/run', { command: 'rare', args: { code: 0 } })).status).toBe(429);
    const named = { 'idempotency-key': 'operations' };
    const holding = await admin.post<RunEnvelope>('/run', { command: 'sleeper' }, { ...named, prefer: 'respond-async' });
    expect((await admin.post('/run', { command: 'sleeper' }, named)).status).toBe(409);
    expect((await admin.post('/run', { command: 'exits', args: { code: 0 } }, named)).status).toBe(422);
    await admin.post(`/runs/${holding.body.id}/cancel`);
    await eventually(async () => (await admin.get<RunEnvelope>(`/runs/${holding.body.id}`)).body.outcome !== null);
    expect((await admin.post('/run', { command: 'sleeper' }, named)).status).toBe(200);
    await anonymous.get('/auth/me');
    await anonymous.get('/auth/me', { 'x-api-key': 'nonsense' });
    await anonymous.get('/auth/me', { 'x-api-key': generateKey().text });
    await eventually(async () => (await scrape()).value('runs_active') === 0);
    const after = await scrape();
    const moved = (name: string, labels: Record<string, string> = {}) => after.value(name, labels) - before.value(name, labels);

    expect(after.kinds).toEqual(Object.fromEntries([...documented].map(([name, { kind }]) => [name, kind])));
    for (const { name, labels } of after.samples) {
      const base = documented.has(name) ? name : name.replace(/_(?:bucket|sum|count)$/, '');
      expect([
        name,
        Object.keys(labels)
          .filter((label) => label !== 'le')
          .toSorted(),
      ]).toEqual([name, documented.get(base)?.labels]);
    }
    expect({
      succeeded: moved('runs_total', { command: 'exits', outcome: 'exited' }),
      timedOut: moved('runs_total', { command: 'hangs', outcome: 'timed_out' }),
      cancelled: moved('runs_total', { outcome: 'cancelled' }),
      all: moved('runs_total'),
      started: moved('run_duration_seconds_count'),
      retries: moved('retries_total', { command: 'flaky' }),
      hit: moved('cache_requests_total', { result: 'hit' }),
      miss: moved('cache_requests_total', { result: 'miss' }),
      audited: moved('audit_entries_total'),
      appended: moved('audit_append_seconds_count'),
      noted: moved('audit_requests_total'),
      rated: moved('rate_limited_total', { scope: 'command' }),
      named: ['first', 'replayed', 'under_way', 'mismatch'].map((result) => moved('idempotent_requests_total', { result })),
      missing: moved('auth_failures_total', { reason: 'missing' }),
      malformed: moved('auth_failures_total', { reason: 'malformed' }),
      unknown: moved('auth_failures_total', { reason: 'unknown' }),
      runs: moved('http_requests_total', { method: 'POST', route: '/run', status: '200' }),
      refused: moved('http_requests_total', { method: 'POST', route: '/run', status: '429' }),
      timed: moved('http_request_duration_seconds_count', { method: 'POST', route: '/run' }),
      errors: moved('errors_total', { code: 'rate_limited' }),
    }).toEqual({
      ...{
        succeeded: 2,
        timedOut: 1,
        cancelled: 4,
        all: 13,
        started: 12,
        retries: 2,
        hit: 1,
        miss: 1,
        audited: 26,
        appended: 25,
        noted: 11,
        rated: 1,
        named: [1, 1, 1, 1],
      },
      ...{ missing: 1, malformed: 1, unknown: 1, runs: 10, refused: 1, timed: 17, errors: 1 },
    });
    expect(moved('run_output_bytes_total')).toBeGreaterThan(2 * readFileSync(secretsFile).length);
    for (const { kind } of SAMPLE_SECRETS) expect([kind, moved('redactions_total', { kind }) > 0]).toEqual([kind, true]);
    expect((await anonymous.get<string>('/metrics')).body).toMatch(/^process_cpu_seconds_total /m);
  });

  it('take their labels from closed sets, whatever clients send', async () => {
    const word = 'canary7q';
    await Promise.all([
      ...['GET', 'POST', 'DELETE'].map((method) => anonymous.request(method, `/${word}/${method}?${word}`)),
      ...['PROPFIND', 'TRACE', 'QUERY', 'PURGE'].map((method) =>
        exchange(admin.url, requestText(method, `/${word}`, []), (text) => text.includes('\r\n\r\n')),
      ),
      ...[`/runs/${word}`, `/commands/${word}`, `/auth/keys/${word}`, `/runs?${word}=1`].map((path) => admin.get(path)),
      admin.post('/run', { command: word }),
      admin.post('/run', { text: word }),
      admin.post('/run', { command: 'show', args: { value: word } }),
      anonymous.get('/auth/me', { 'x-api-key': word, 'user-agent': word, 'x-request-id': word }),
    ]);
    const routes = parse((await admin.get<string>('/openapi.yaml')).body) as { paths: Record<string, unknown> };
    const outcomes = ['exited', 'timed_out', 'cancelled', 'rejected', 'failed_to_start', 'lost'];
    const paths = Object.keys(routes.paths).map((path) => path.replace(/\{(\w+)\}/g, ':$1'));
    const allowed: Record<string, readonly string[]> = {
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'OTHER'],
      route: [...paths, '/docs', '/openapi.json', '/openapi.yaml', 'unmatched'],
      status: [...new Set(['200', '201', '202', '204', '499', ...Object.values(ERRORS).map(({ status }) => `${status}`)])],
      code: Object.keys(ERRORS),
      reason: ['missing', 'malformed', 'unknown', 'wrong', 'revoked', 'expired', 'rotated', 'address', ...DROP_REASONS],
      scope: ['key', 'address', 'command'],
      command: Object.keys(commands),
      outcome: outcomes,
      result: [
        'hit',
        'miss',
        'joined',
        'bypassed',
        'first',
        'replayed',
        'under_way',
        'mismatch',
        'applied',
        'unchanged',
        'rejected',
        'failed',
      ],
      kind: REDACTION_KINDS,
      name: ['tests'],
      to: ['closed', 'half_open', 'open'],
      service: ['storage', 'audit', 'catalogue', 'disk'],
      rule: TRIPWIRE_RULES,
      log: ['application', 'requests'],
      profile: ['pure', 'workspace', 'network'],
      version: [VERSION],
    };
    const { body } = await anonymous.get<string>('/metrics');
    const { samples } = parseScrape(body);
    const strange = samples.flatMap(({ name, labels }) =>
      Object.entries(labels)
        .filter(([label, value]) => label !== 'le' && allowed[label]?.includes(value) !== true)
        .map((pair) => [name, ...pair]),
    );
    expect(strange).toEqual([]);
    expect(body).not.toContain(word);
  });

  it('and the documentation are public, or for keys, as the operator sets it', async () => {
    const gated = ['/metrics', '/docs', '/docs/swagger-ui.css', '/openapi.json', '/openapi.yaml'];
    const statuses = (caller: Caller) => Promise.all(gated.map(async (path) => (await caller.get(path)).status));
    expect(await statuses(anonymous)).toEqual([200, 200, 200, 200, 200]);
    // A key that is given must be valid, also where none is needed.
    expect(await statuses(new ApiCaller(admin.url, generateKey().text))).toEqual([401, 401, 401, 401, 401]);
    const gateway = await startGateway({ settings: { METRICS_ACCESS: 'key', DOCS_ACCESS: 'key' } });
    expect(await statuses(gateway.anonymous())).toEqual([401, 401, 401, 401, 401]);
    expect(await statuses(await gateway.as('readonly'))).toEqual([200, 200, 200, 200, 200]);
  });
});

describe('documentation', () => {
  it('is a page that works by itself, under its own policy', async () => {
    const { body, headers } = await anonymous.get<string>('/docs');
    expect(headers.get('content-type')).toMatch(/^text\/html/);
    const parts = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = '']) => new URL(path, `${admin.url}/docs`));
    expect(parts.length).toBeGreaterThan(3);
    for (const { origin, pathname } of parts) {
      expect(origin).toBe(admin.url);
      expect([pathname, (await anonymous.get(pathname)).status]).toEqual([pathname, 200]);
    }
    // The policy lets no inline script run.
    expect(body).not.toMatch(/<script(?![^>]*\ssrc=)[^>]*>\s*\S/);
  });

  it('describes the routes to everybody, and commands to those who may see them', async () => {
    type Document = { openapi: string; paths: object; components: { schemas: object } };
    const open = (await anonymous.get<Document>('/openapi.json')).body;
    expect(open.openapi).toBe('3.1.0');
    expect(Object.keys(open.paths)).toEqual(
      expect.arrayContaining(['/run', '/batch', '/stream', '/runs/{id}', '/health', '/metrics', '/audit/verify']),
    );
    expect(JSON.stringify(open)).not.toContain('Run.show');
    const own = (await admin.get<Document>('/openapi.json')).body;
    for (const name of Object.keys(commands)) expect(own.components.schemas).toHaveProperty([`Run.${name}`]);
    expect(parse((await admin.get<string>('/openapi.yaml')).body)).toEqual(own);
  });
});

describe('browsers', () => {
  const origin = 'https://ops.example.com';
  const asked = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-api-key, idempotency-key' };

  it('of other origins get nothing by default', async () => {
    for (const answer of [await admin.get('/auth/me', { origin }), await admin.request('OPTIONS', '/run', { headers: asked })])
      expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
    expect(await admin.request('OPTIONS', '/run', { headers: asked })).toMatchObject({ status: 403 });
  });

  it('of named origins may read answers and refusals alike, with the headers that matter', async () => {
    const settings = { CORS_ORIGINS: `https://other.example.com, ${origin}`, RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_PER_ADDRESS: '4/h' };
    const gateway = await startGateway({ commands: { show }, settings });
    const operator = await gateway.as('operator');
    const answers = [
      await operator.get('/auth/me', { origin }),
      await operator.get('/nope', { origin }),
      await operator.post('/run', { command: 'show' }, { origin }),
      await gateway.anonymous().get('/auth/me', { origin }),
    ];
    const strange = await operator.get('/auth/me', { origin: 'https://ops.example.com.evil.test' });
    for (let more = 0; more < 3; more += 1) answers.push(await operator.get('/auth/me', { origin }));
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 400, 401, 200, 200, 429]);
    for (const { headers } of answers) {
      expect(headers.get('access-control-allow-origin')).toBe(origin);
      expect(headers.get('access-control-expose-headers')).toMatch(/X-Request-Id.*RateLimit.*Retry-After.*Idempotency-Replayed/);
      expect(headers.get('access-control-allow-credentials')).toBeNull();
      expect(headers.get('vary')).toMatch(/origin/i);
    }
    expect(strange.headers.get('access-control-allow-origin')).toBeNull();
    const preflight = await gateway.anonymous().request('OPTIONS', '/run', { headers: asked });
    expect(preflight.headers.get('access-control-allow-headers')).toMatch(/^X-API-Key, .*Idempotency-Key/);
  });
});

describe('rates', () => {
  it('of key and address are told, held apart, logged and counted', async () => {
    const lines: string[] = [];
    const settings = { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_PER_KEY: '2/h', RATE_LIMIT_PER_ADDRESS: '6/h' };
    const gateway = await startGateway({ settings, onLog: (line) => void lines.push(line) });
    const [one, two] = [await gateway.as('operator'), await gateway.as('readonly')];
    const said: [number, string | null, string | null][] = [];
    const ask = async (caller: Caller) => {
      const { status, headers } = await caller.get('/auth/me');
      const left = headers.get('ratelimit')?.replaceAll(/;t=\d+/g, '') ?? null;
      const retry = headers.get('retry-after');
      said.push([status, left, retry === null ? null : Number(retry) > 3_590 && Number(retry) <= 3_600 ? 'an hour' : retry]);
    };
    for (const caller of [one, one, one, two, two, gateway.anonymous(), two, gateway.anonymous()]) await ask(caller);
    expect(said).toEqual([
      [200, '"key";r=1, "address";r=5', null],
      [200, '"key";r=0, "address";r=4', null],
      [429, '"key";r=0, "address";r=3', 'an hour'],
      [200, '"key";r=1, "address";r=2', null],
      [200, '"key";r=0, "address";r=1', null],
      // Requests without a valid key have a window of their own.
      [401, '"address";r=5', null],
      [429, '"key";r=0, "address";r=0', 'an hour'],
      [401, '"address";r=4', null],
    ]);
    expect((await gateway.anonymous().get('/health')).headers.get('ratelimit')).toBeNull();
    const metrics = await scrape(gateway.anonymous());
    expect([metrics.value('rate_limited_total', { scope: 'key' }), metrics.value('rate_limited_total', { scope: 'address' })]).toEqual([
      2, 0,
    ]);
    expect(lines.filter((line) => line.includes('"status":429'))).toHaveLength(2);
  });
});

describe('output of commands', () => {
  const kinds = SAMPLE_SECRETS.map(({ kind }) => kind);

  /** No secret in the text, and all masks. */
  function expectMasked(where: string, text: string): void {
    for (const { kind, secret } of SAMPLE_SECRETS) expect([where, kind, text.includes(secret)]).toEqual([where, kind, false]);
    for (const kind of kinds) expect([where, kind, text.includes(maskOf(kind))]).toEqual([where, kind, true]);
  }

  it('has every kind of secret masked, whichever way it is looked at', async () => {
    // The samples are samples of something: as they stand in the file, all of them would be seen.
    const raw = readFileSync(secretsFile, 'utf8');
    expect(SAMPLE_SECRETS.filter(({ secret }) => !raw.includes(secret))).toEqual([]);
    expect(new Set([...kinds, 'secret'])).toEqual(new Set(REDACTION_KINDS));

    const run = await admin.run('leaks');
    expect(run).toMatchObject({ status: 'succeeded', redactions: 2 * SAMPLE_SECRETS.length });
    expectMasked('stdout', run.stdout);
    expect(run.stderr).toBe(run.stdout);
    expect(run.stdout).toContain('patient ');
    const { body: batch } = await admin.post<{ items: BatchItem[] }>('/batch', { items: [{ command: 'leaks' }] });
    expectMasked('batch', JSON.stringify(batch));
    expectMasked('stream', (await admin.post<string>('/stream', { command: 'leaks' })).body);
    const parsed = [await admin.run('leaks.lines'), await admin.run('leaks.lines')];
    expect(parsed.map(({ cached }) => cached)).toEqual([false, true]);
    for (const { parsed: lines } of parsed) expectMasked('parsed', JSON.stringify(lines));
    const later = (await admin.post<RunEnvelope>('/run', { command: 'leaks' }, { prefer: 'respond-async' })).body.id;
    expectMasked('stream of a run', (await admin.get<string>(`/runs/${later}/stream`)).body);

    for (const id of [run.id, later]) {
      expectMasked('a run', JSON.stringify((await admin.get(`/runs/${id}`)).body));
      expectMasked('its output', (await admin.get<string>(`/runs/${id}/output`)).body);
      expectMasked('its chunks', (await admin.get<string>(`/runs/${id}/output`, { accept: 'application/x-ndjson' })).body);
      expectMasked('its replay', (await admin.get<string>(`/runs/${id}/stream`)).body);
    }
  });

  it('has a declared secret masked in every encoding, and its value shown nowhere', async () => {
    const run = await admin.run('tells', { token: DECLARED });
    expect(run).toMatchObject({
      args: { token: '«secret»' },
      stdout: `${maskOf('secret')}\n`.repeat(3),
      stderr: maskOf('secret'),
      redactions: 4,
    });
    expect((await admin.get(`/runs/${run.id}`)).body).toEqual(run);
  });

  it('leaves no secret behind: not in listings, audit, metrics, log, nor on the disk', async () => {
    const secrets = [
      DECLARED,
      Buffer.from(DECLARED).toString('base64'),
      Buffer.from(DECLARED).toString('hex'),
      ...SAMPLE_SECRETS.map(({ secret }) => secret),
    ];
    await admin.run('leaks');
    await admin.run('tells', { token: DECLARED });
    const places: Record<string, string> = {
      listing: JSON.stringify((await admin.get('/runs?limit=200')).body),
      audit: JSON.stringify((await admin.get('/audit?limit=200')).body),
      metrics: (await anonymous.get<string>('/metrics')).body,
      log: await everythingSaid(),
      ...Object.fromEntries(
        readdirSync(home.dataDir, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map(({ parentPath, name }) => [name, readFileSync(join(parentPath, name), 'latin1')]),
      ),
    };
    for (const [place, text] of Object.entries(places))
      for (const secret of secrets) expect([place, text.includes(secret)]).toEqual([place, false]);
    expect(places['listing']).toContain('"leaks"');
    expect(places['audit']).toContain('run.outcome');
    expect(places['sallyport.db'] ?? '').toContain('SQLite format 3');
    // The masks themselves are there: the files were written before they were looked at.
    expect(`${places['sallyport.db']}${places['sallyport.db-wal']}`).toContain(Buffer.from(maskOf('github_token')).toString('latin1'));
  });
});
