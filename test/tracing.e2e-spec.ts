import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../src/domain/errors.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { fixture } from './fixtures/fixture.js';
import { type Collector, startCollector, stopCollectors, type Trace } from './kit/collector.js';
import { command, exits, show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { parseScrape } from './kit/scrape.js';

const stopAll = async () => {
  await stopGateways();
  await stopCollectors();
};

const commands = {
  show,
  exits,
  sleeper,
  greet: command({ builtin: 'greet' }),
  single: { ...sleeper, limits: { concurrent: 1 } },
  hangs: { ...sleeper, timeout: '100ms' },
  'print.env': command({ exec: [fixture('print-env')] }),
};

let traces = 0;
/** A trace of a caller of ours, and the headers that bring it. */
function callerTrace(flags = '01'): { id: string; spanId: string; headers: Record<string, string> } {
  const id = (++traces).toString(16).padStart(32, 'a');
  const spanId = 'b7ad6b7169203331';
  return { id, spanId, headers: { traceparent: `00-${id}-${spanId}-${flags}` } };
}

async function start(settings: Readonly<Record<string, string>> = {}) {
  const collector = await startCollector();
  const lines: Record<string, unknown>[] = [];
  const gateway = await startGateway({
    commands,
    settings: { ...collector.settings, ...settings },
    onLog: (line) => lines.push(JSON.parse(line) as Record<string, unknown>),
  });
  return { collector, gateway, lines, caller: await gateway.as('operator') };
}

async function scrape(gateway: TestGateway) {
  return parseScrape((await gateway.anonymous().get<string>('/metrics')).body);
}

/** Steps without parts are shown where they took time, which is up to the machine. */
const hasParts = (name: string) => !name.startsWith('run.') || /\.(?:recordIntent|execute|recordOutcome)$/.test(name);

/** Each of these spans as the path of names that leads to it. */
function paths(trace: Trace, isMeant = hasParts): string[] {
  const spans = trace.spans.filter(({ name }) => isMeant(name));
  return spans.map((span) => trace.path(span).join(' > ')).toSorted();
}

describe('the trace of a request', () => {
  let collector: Collector;
  let gateway: TestGateway;
  let caller: Caller;
  let lines: Record<string, unknown>[];
  beforeAll(async () => {
    const settings = {
      OTEL_RESOURCE_ATTRIBUTES: 'service.namespace=ops,note=two%20words',
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=abc%20def',
    };
    ({ collector, gateway, caller, lines } = await start(settings));
  });
  afterAll(stopAll);

  it('leads from the caller through steps and store to the program', async () => {
    const { id, spanId, headers } = callerTrace();
    const { body } = await caller.post<RunEnvelope>('/run', { command: 'print.env' }, { ...headers, tracestate: 'a=1, b@c=2' });
    const trace = await collector.trace(id, 'POST /run', 'run print.env');
    const run = 'POST /run > run print.env';
    expect(paths(trace)).toEqual(
      [
        'POST /run',
        run,
        `${run} > run.recordIntent`,
        `${run} > run.recordIntent > COMMIT`,
        `${run} > run.execute`,
        `${run} > run.execute > print-env`,
        `${run} > run.recordOutcome`,
        `${run} > run.recordOutcome > COMMIT`,
      ].toSorted(),
    );
    expect(trace.one('POST /run').parentSpanId).toBe(spanId);
    expect(new Set(trace.spans.map(({ traceState }) => traceState))).toEqual(new Set(['a=1,b@c=2']));
    const executor = trace.one('print-env');
    expect(body.stdout).toContain(`TRACEPARENT=00-${id}-${executor.spanId}-01\n`);
    for (const span of trace.spans) {
      expect(span.end).toBeGreaterThanOrEqual(span.start);
      const parent = trace.spans.find((each) => each.spanId === span.parentSpanId);
      if (parent) expect(span.start).toBeGreaterThanOrEqual(parent.start);
    }
    expect(Math.abs(Number(trace.one('POST /run').end / 1_000_000n) - Date.now())).toBeLessThan(60_000);
  });

  it('says what OpenTelemetry’s conventions ask for, and who we are', async () => {
    const { id, headers } = callerTrace();
    const asked = { ...headers, 'user-agent': 'test/1.0', 'x-request-id': 'mine-1' };
    const { body } = await caller.post<RunEnvelope>('/run?token=hidden', { command: 'exits', args: { code: 0 } }, asked);
    const trace = await collector.trace(id, 'POST /run', 'run exits');
    const request = trace.one('POST /run');
    expect([request.kind, request.isError]).toEqual(['server', false]);
    expect(request.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/run',
      'http.response.status_code': 200,
      'url.path': '/run',
      'url.scheme': 'http',
      'network.protocol.version': '1.1',
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(gateway.url).port),
      'client.address': '127.0.0.1',
      'user_agent.original': 'test/1.0',
      'sallyport.request.id': 'mine-1',
      'sallyport.key.id': (await gateway.key('operator')).slice(4, 16),
    });
    expect(trace.one('run exits').attributes).toEqual({
      'sallyport.command': 'exits',
      'sallyport.run.id': body.id,
      'sallyport.run.attempts': 1,
      'sallyport.run.outcome': 'exited',
    });
    const executor = trace.one('exits-with');
    expect([executor.kind, executor.isError]).toEqual(['client', false]);
    expect(executor.attributes).toEqual({
      'process.executable.name': 'exits-with',
      'process.pid': expect.any(Number),
      'process.exit.code': 0,
    });
    const [commit] = trace.all('COMMIT');
    expect([commit?.kind, commit?.attributes]).toEqual([
      'client',
      {
        'db.system.name': 'sqlite',
        'db.operation.name': 'COMMIT',
        'db.operation.batch.size': 2,
        'sallyport.storage.group': expect.any(Number),
      },
    ]);
    expect(request.resource).toMatchObject({ 'service.name': 'sallyport', 'service.namespace': 'ops', note: 'two words' });
    expect(request.resource['service.version']).toMatch(/^\d/);
    expect(collector.requests[0]).toMatchObject({ path: '/v1/traces', headers: { 'api-key': 'abc def' } });
  });

  it.each([
    ['a program that fails', { command: 'exits', args: { code: 7 } }, 'exits-with', '7'],
    ['a program that takes too long', { command: 'hangs' }, 'sleeps-forever', 'timed_out'],
  ])('shows the error of %s, where it happened', async (_what, body, program, type) => {
    const { id, headers } = callerTrace();
    expect((await caller.post('/run', body, headers)).status).toBe(200);
    const trace = await collector.trace(id, 'POST /run', `run ${body.command}`);
    for (const name of [program, `run ${body.command}`]) {
      const span = trace.one(name);
      expect([name, span.isError, span.attributes['error.type']]).toEqual([name, true, type]);
    }
    // The request itself was answered as it should be.
    expect([trace.one('POST /run').isError, trace.one('POST /run').attributes['error.type']]).toEqual([false, undefined]);
  });

  it('shows which step refused, and names no address that a caller made up', async () => {
    const refused = callerTrace();
    const { body } = await caller.post<Problem>('/run', { command: 'show' }, refused.headers);
    expect(body).toMatchObject({ code: 'invalid_arguments', traceId: refused.id });
    const trace = await collector.trace(refused.id, 'POST /run', 'run show');
    const step = trace.one('run.checkArguments');
    expect([step.isError, step.attributes['error.type']]).toEqual([true, 'invalid_arguments']);
    const request = trace.one('POST /run');
    expect([request.isError, request.attributes['sallyport.problem']]).toEqual([false, 'invalid_arguments']);
    const lost = callerTrace();
    await caller.get('/nowhere/at-all', lost.headers);
    const unmatched = (await collector.trace(lost.id, 'GET')).one('GET');
    expect([unmatched.attributes['http.route'], unmatched.attributes['url.path']]).toEqual([undefined, undefined]);
    const found = callerTrace();
    await caller.get('/runs/run_nope', found.headers);
    const run = (await collector.trace(found.id, 'GET /runs/:id')).one('GET /runs/:id');
    expect(run.attributes).toMatchObject({ 'http.route': '/runs/:id', 'http.response.status_code': 404 });
    expect(collector.bytes.toString()).not.toMatch(/run_nope|at-all/);
  });

  it('is an error where nobody waited', async () => {
    const left = callerTrace();
    const client = new AbortController();
    const gone = caller
      .request('POST', '/run', { body: { command: 'sleeper' }, headers: left.headers, signal: client.signal })
      .catch(() => true);
    await eventually(async () => (await scrape(gateway)).value('runs_active') === 1);
    client.abort();
    await gone;
    const trace = await collector.trace(left.id, 'POST /run', 'run sleeper');
    expect(trace.one('POST /run').attributes['error.type']).toBe('client_left');
    expect(trace.one('run sleeper').attributes['error.type']).toBe('cancelled');
  });

  it('shows the wait for a slot', async () => {
    const waiting = callerTrace();
    const { body: first } = await caller.post<RunEnvelope>('/run', { command: 'single' }, { prefer: 'respond-async' });
    const { body: second } = await caller.post<RunEnvelope>('/run', { command: 'single' }, { ...waiting.headers, prefer: 'respond-async' });
    await eventually(async () => (await scrape(gateway)).value('runs_queued') === 1);
    for (const { id } of [first, second]) await caller.post(`/runs/${id}/cancel`);
    const trace = await collector.trace(waiting.id, 'run single', 'admission');
    expect(trace.path(trace.one('admission'))).toEqual(['POST /run', 'run single', 'run.execute', 'admission']);
  });

  it.each([
    ['/stream', { command: 'greet' }, {}, 1],
    ['/batch', { items: [{ command: 'greet' }, { command: 'greet' }] }, {}, 2],
    ['/run', { command: 'greet' }, { prefer: 'respond-async' }, 1],
  ])('of %s holds each of its runs', async (path, body, asked, runs) => {
    const { id, headers } = callerTrace();
    expect((await caller.post(path, body, { ...headers, ...asked })).status).toBeLessThan(300);
    const trace = await eventually(async () => {
      const found = await collector.trace(id, `POST ${path}`, 'run greet');
      return found.all('run greet').length === runs && found;
    });
    const run = `POST ${path} > run greet`;
    const each = [run, `${run} > run.recordOutcome`, `${run} > run.recordOutcome > COMMIT`];
    expect(paths(trace, (name) => !name.startsWith('run.') || name === 'run.recordOutcome')).toEqual(
      [`POST ${path}`, ...Array.from({ length: runs }, () => each).flat()].toSorted(),
    );
  });

  it('keeps the runs of a batch apart, which go on at the same time', async () => {
    const { id, headers } = callerTrace();
    await caller.post('/batch', { items: Array.from({ length: 6 }, () => ({ command: 'print.env' })) }, headers);
    const trace = await eventually(async () => {
      const found = await collector.trace(id, 'POST /batch', 'run print.env');
      return found.all('run print.env').length === 6 && found;
    });
    const partsOf = (name: string) =>
      trace.all(name).map(({ spanId }) => trace.spans.filter(({ parentSpanId }) => parentSpanId === spanId));
    const namesIn = (name: string) =>
      partsOf(name).map((parts) =>
        parts
          .map((part) => part.name)
          .filter(hasParts)
          .toSorted(),
      );
    expect(namesIn('run print.env')).toEqual(Array.from({ length: 6 }, () => ['run.execute', 'run.recordIntent', 'run.recordOutcome']));
    expect(namesIn('run.recordIntent')).toEqual(Array.from({ length: 6 }, () => ['COMMIT']));
    expect(namesIn('run.execute')).toEqual(Array.from({ length: 6 }, () => ['print-env']));
    expect(namesIn('run.recordOutcome')).toEqual(Array.from({ length: 6 }, () => ['COMMIT']));
  });

  it('agrees with log line, problem, exemplar and children, whether it came from a caller or not', async () => {
    const answer = await caller.post<Problem>('/run', { command: 'nope' });
    const traceId = answer.body.traceId ?? '';
    const [line] = await eventually(() => {
      const found = lines.filter((each) => each['request_id'] === answer.body.requestId);
      return found.length > 0 && found;
    });
    expect(line?.['trace_id']).toBe(traceId);
    await collector.trace(traceId, 'POST /run');
    const metrics = await gateway.anonymous().get<string>('/metrics', { accept: 'application/openmetrics-text; version=1.0.0' });
    expect(metrics.body).toContain(`# {trace_id="${traceId}"}`);
    const items = (await caller.post<{ items: { problem: Problem }[] }>('/batch', { items: [{ command: 'nope' }] })).body.items;
    expect(items[0]?.problem.traceId).toMatch(/^[0-9a-f]{32}$/);
  });

  it.each([
    ['no traceparent at all', {}],
    ['one that is malformed', { traceparent: '00-nope-b7ad6b7169203331-01', tracestate: 'a=1' }],
  ])('begins with us for %s', async (_what, headers) => {
    const asked = `mine-${++traces}`;
    await caller.get('/auth/me', { ...headers, 'x-request-id': asked });
    const [span] = await eventually(() => {
      const found = collector.spans.filter(({ attributes }) => attributes['sallyport.request.id'] === asked);
      return found.length > 0 && found;
    });
    expect([span?.parentSpanId, span?.traceState]).toEqual([undefined, undefined]);
  });
});

describe('sampling', () => {
  afterEach(stopAll);

  it('sends nothing of what is not sampled, and programs are told so', async () => {
    const { collector, gateway, caller } = await start({ OTEL_TRACES_SAMPLER: 'parentbased_always_off' });
    const { id, headers } = callerTrace('00');
    const { body } = await caller.post<RunEnvelope>('/run', { command: 'print.env' }, headers);
    expect(body.stdout).toMatch(new RegExp(`^TRACEPARENT=00-${id}-[0-9a-f]{16}-00$`, 'm'));
    const own = (await caller.run('print.env')).stdout;
    expect(own).toMatch(/^TRACEPARENT=00-[0-9a-f]{32}-[0-9a-f]{16}-00$/m);
    expect(own).not.toContain(id);
    // What a caller has sampled is sampled; nothing else was before it.
    const sampled = callerTrace();
    await caller.post('/run', { command: 'greet' }, sampled.headers);
    await collector.trace(sampled.id, 'POST /run');
    await gateway.stop();
    expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([sampled.id]));
  });

  it('by a ratio of 0 asks no collector', async () => {
    const { collector, gateway, caller } = await start({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' });
    for (let count = 0; count < 20; count++) await caller.post('/run', { command: 'greet' }, callerTrace().headers);
    await gateway.stop();
    expect(collector.requests).toEqual([]);
  });
});

describe('a collector that does not take traces', () => {
  afterEach(stopAll);

  it('changes nothing for callers; what it misses is counted and told once', async () => {
    const { collector, gateway, caller, lines } = await start();
    await collector.stop();
    const told = () => lines.filter(({ msg }) => String(msg).startsWith('the trace collector does not'));
    await caller.run('greet');
    await eventually(() => told().length > 0);
    for (let count = 0; count < 50; count++) expect((await caller.run('greet')).status).toBe('succeeded');
    const before = performance.now();
    await gateway.stop();
    expect(performance.now() - before).toBeLessThan(6_000);
    expect(told()).toEqual([expect.objectContaining({ level: 40, reason: 'ECONNREFUSED' })]);
  });

  it('by hanging holds up neither runs nor the stop for long', async () => {
    const { collector, gateway, caller } = await start();
    collector.answer = () => undefined;
    expect((await caller.run('greet')).status).toBe('succeeded');
    await eventually(() => collector.requests.length > 0);
    expect((await caller.run('greet')).status).toBe('succeeded');
    const before = performance.now();
    await gateway.stop();
    expect(performance.now() - before).toBeLessThan(6_000);
  });

  it('gets the same batch again when it was busy, and once only when it refused', async () => {
    const { collector, gateway, caller } = await start();
    collector.answer = (_request, response) => void response.writeHead(503, { 'retry-after': '0' }).end();
    const busy = callerTrace();
    await caller.post('/run', { command: 'greet' }, busy.headers);
    await eventually(() => collector.requests.length > 0);
    collector.takeAgain();
    await collector.trace(busy.id, 'POST /run', 'run greet');
    collector.answer = (_request, response) => void response.writeHead(400).end();
    const asked = collector.requests.length;
    const refused = callerTrace();
    await caller.get('/auth/me', refused.headers);
    await eventually(async () => (await scrape(gateway)).value('trace_spans_dropped_total', { reason: 'refused' }) >= 1);
    collector.takeAgain();
    const { value } = await scrape(gateway);
    expect(value('trace_spans_exported_total')).toBeGreaterThanOrEqual(4);
    expect(collector.requests.length).toBeGreaterThan(asked);
    expect(collector.spans.filter(({ traceId }) => traceId === refused.id)).toEqual([]);
  });
});

describe('what is exported', () => {
  afterEach(stopAll);

  it('holds no secret, wherever a caller put one', async () => {
    const { collector, gateway, caller } = await start();
    const { id, headers } = callerTrace();
    const key = await gateway.newKey({ role: 'operator' });
    const token = 'ghp_' + 'aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3hJ5';
    const value = 'Tr0ub4dor-' + 'and-3';
    const planted = { ...headers, 'user-agent': `curl ${token} ${key}`, tracestate: `v=${token}`, 'x-request-id': token };
    await caller.post(`/run?key=${key}&token=${token}`, { command: 'show', args: { value: `${value} ${token}` } }, planted);
    await gateway.anonymous().get(`/commands/${key}`, { ...planted, authorization: `Bearer ${key}x`, cookie: token });
    await caller.request('POST', '/run', { body: { text: `show ${value} ${token}` }, headers: planted });
    await caller.get(`/${token}/${value}`, planted);
    // Where a secret is known for one only as a whole, nothing is cut before it was looked for.
    await caller.get('/auth/me', { ...headers, 'user-agent': `${'x'.repeat(185)} ${token}` });
    await collector.trace(id, 'GET /auth/me', 'GET', 'GET /commands/:name', 'run show');
    await gateway.stop();
    const exported = collector.bytes.toString();
    for (const secret of [token, token.slice(0, 20), key, key.slice(17, 40), value, gateway.bootstrapKey ?? '-'])
      expect(exported).not.toContain(secret);
    expect(exported).toContain('curl «');
    expect(new Set(collector.spans.map(({ traceState }) => traceState))).toEqual(new Set([undefined]));
  });

  it('arrives as protobuf unless told otherwise', async () => {
    const collector = await startCollector();
    const gateway = await startGateway({ commands, settings: { OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/` } });
    const { id, headers } = callerTrace();
    await gateway.anonymous().get('/health', headers);
    const [request] = await eventually(() => collector.requests.length > 0 && collector.requests);
    expect(request?.path).toBe('/v1/traces');
    expect(request?.headers['content-type']).toBe('application/x-protobuf');
    expect(request?.body.includes(Buffer.from(id, 'hex'))).toBe(true);
    expect(request?.body.includes('GET /health')).toBe(true);
  });

  it('holds faults of ours as errors, and nothing for bytes that are no request', async () => {
    const { collector, gateway, caller } = await start();
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    socket.end('noise\r\n\r\n').resume();
    await once(socket, 'close');
    const refused = callerTrace();
    await gateway.server.gateway.drain(0, new AbortController().signal);
    expect((await caller.post('/run', { command: 'show', args: { value: 'x' } }, refused.headers)).status).toBe(503);
    const draining = (await collector.trace(refused.id, 'POST /run')).one('POST /run');
    expect([draining.isError, draining.attributes['error.type']]).toEqual([true, 'draining']);
    await gateway.stop();
    expect(collector.spans.filter(({ kind }) => kind === 'server')).toEqual([draining]);
  });
});
