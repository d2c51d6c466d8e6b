import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import type { AuditEntry, AuditVerdict, Page } from '../src/domain/audit.js';
import type { Problem } from '../src/domain/errors.js';
import type { BatchItem } from '../src/runs/batch.service.js';
import type { RunEnvelope, RunSummary } from '../src/runs/run-envelope.js';
import { fixture, isAlive } from './fixtures/fixture.js';
import { command, show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, parseEvents } from './kit/gateway.js';
import { processesIn } from './kit/processes.js';
import { type Finished, type Program, type ProgramHome, programHome, removeHomes } from './kit/program.js';
import { closeConnections, RawConnection } from './kit/raw-connection.js';
import { requestText } from './kit/raw-http.js';

afterEach(async () => {
  closeConnections();
  await removeHomes();
});

const MIB = 1024 ** 2;
/** Longer than any test: what is over before did not wait for it. */
const FOR_EVER = '10min';

interface Place extends ProgramHome {
  /** Ids of the processes that commands of this home have started. */
  readonly pids: () => number[];
  /** Lets the `gated` runs go on. */
  readonly openGate: () => void;
}

/** A home whose commands note their pids; `gated` waits for the test, the others for the end. */
function home(settings: Record<string, string>): Place {
  const place = programHome({ settings });
  const pids = join(place.folder, 'pids');
  mkdirSync(pids);
  const noting = (text: string) =>
    command({ script: { interpreter: 'sh', text: `echo $$ > "$1/$$"; ${text}`, args: [pids] }, timeout: '1min' });
  place.declare({
    show,
    greet: command({ builtin: 'greet' }),
    gated: noting('echo begun; until [ -e "$1/../gate" ]; do sleep 0.02; done; echo done'),
    sleeper: noting('exec sleep 60'),
    single: { ...sleeper, limits: { concurrent: 1 } },
    polite: noting('trap "echo goodbye; exit 3" TERM; while :; do sleep 0.02; done'),
    stubborn: noting(`exec ${fixture('ignores-term')}`),
    grandchild: noting('sleep 60 & echo $!; wait'),
    flood: command({ script: { interpreter: 'sh', text: 'head -c 16777216 /dev/zero | tr "\\0" x' }, limits: { output: '16MiB' } }),
  });
  return Object.assign(place, {
    pids: () => readdirSync(pids).map(Number),
    openGate: () => place.write('gate', ''),
  });
}

/** Waits until so many commands have noted their pids. */
function underWay(place: Place, count: number): Promise<number[]> {
  return eventually(() => place.pids().length === count && place.pids());
}

function isDraining(caller: Caller): Promise<unknown> {
  return eventually(async () => (await caller.get('/ready')).status === 503);
}

const startLater = async (caller: Caller, name: string): Promise<string> =>
  (await caller.post<RunEnvelope>('/run', { command: name }, { prefer: 'respond-async' })).body.id;

/** It ended by itself, without a complaint, and nothing of it is left. */
function expectCleanEnd(place: Place, { code, signal, stderr }: Finished, program: Program): void {
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  expect(program.log().at(-1)).toEqual({ level: 'info', time: expect.any(String), message: 'stopped' });
  expect(program.complaints().filter(({ code }) => code !== 'draining')).toEqual([]);
  expect(processesIn(place.folder)).toEqual([]);
}

/** Starts the program again and gives back all runs, oldest first: none is open, each has one intent and one outcome, and the chain holds. */
async function historyAfter(place: Place): Promise<RunEnvelope[]> {
  const again = await place.serve();
  const caller = await again.as(place.adminKey);
  expect(again.complaints()).toEqual([]);
  const listed = (await caller.get<Page<RunSummary>>('/runs?limit=200')).body.items.toReversed();
  for (const action of ['run.intent', 'run.outcome', 'gateway.stopped']) {
    const { items } = (await caller.get<Page<AuditEntry>>(`/audit?action=${action}&limit=200`)).body;
    const expected = action === 'gateway.stopped' ? ['gateway'] : listed.map(({ id }) => id).toSorted();
    expect([action, items.map(({ subject }) => subject).toSorted()]).toEqual([action, expected]);
  }
  expect((await caller.get<AuditVerdict>('/audit/verify')).body).toMatchObject({ ok: true });
  const runs = await Promise.all(listed.map(async ({ id }) => (await caller.get<RunEnvelope>(`/runs/${id}`)).body));
  expect(runs.filter(({ outcome, finishedAt }) => outcome === null || finishedAt === null)).toEqual([]);
  return runs;
}

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  it('turns readiness off, refuses what is new, and lets everything under way come to its end', async () => {
    const place = home({ DRAIN_TIMEOUT: FOR_EVER });
    const program = await place.serve();
    const caller = await program.as(place.adminKey);
    const gated = { command: 'gated' };
    const later = await startLater(caller, 'gated');
    const waiting = {
      run: caller.run('gated'),
      stream: caller.stream(gated),
      followed: caller.get<string>(`/runs/${later}/stream`),
      batch: caller.post<{ items: BatchItem[] }>('/batch', { mode: 'sequential', items: [gated, { command: 'greet' }] }),
      patient: caller.post<RunEnvelope>('/run', gated, { prefer: 'respond-async, wait=60' }),
    };
    const pids = await underWay(place, 5);
    program.kill(signal);
    await isDraining(caller);

    expect((await caller.get('/ready')).body).toEqual({ status: 'unready', failing: ['draining'] });
    expect(await caller.get('/health')).toMatchObject({ status: 200, body: { status: 'ok' } });
    // It has begun when the program says so, and what it said is on its way to us then.
    const shown = await eventually(async () => {
      const { body } = await caller.get<RunEnvelope>(`/runs/${later}`);
      return body.stdout !== '' && body;
    });
    expect(shown).toMatchObject({ status: 'running', stdout: 'begun\n' });
    for (const [path, headers] of [['/run'], ['/run', { prefer: 'respond-async' }], ['/stream']] as const) {
      for (const name of ['gated', 'greet']) {
        const refused = await caller.post<Problem>(path, { command: name }, headers);
        expect(refused).toMatchObject({ status: 503, body: { code: 'draining', type: 'urn:sallyport:error:draining' } });
        expect(refused.headers.get('retry-after')).toBe('5');
      }
    }
    expect((await caller.post('/batch', { items: [gated] })).body).toMatchObject({ items: [{ problem: { code: 'draining' } }] });
    expect(pids.filter(isAlive)).toEqual(pids);

    place.openGate();
    const whole = { status: 'succeeded', stdout: 'begun\ndone\n' };
    expect(await waiting.run).toMatchObject(whole);
    expect(await waiting.patient).toMatchObject({ status: 200, body: whole });
    expect((await waiting.batch).body).toMatchObject({ items: [{ run: whole }, { problem: { code: 'draining' } }] });
    for (const events of [await waiting.stream, parseEvents((await waiting.followed).body)]) {
      expect(events.flatMap(({ data }) => (typeof data['data'] === 'string' ? data['data'] : [])).join('')).toBe(whole.stdout);
      expect(events.at(-1)).toMatchObject({ event: 'run.finished', data: { status: 'succeeded' } });
    }
    expectCleanEnd(place, await program.finished, program);
    expect(program.log().at(-2)?.['message']).toBe('request');
    expect(program.log().find(({ message }) => String(message).startsWith('stopping'))).toMatchObject({ level: 'info', signal });
    const runs = await historyAfter(place);
    expect(runs.map(({ status, stdout }) => ({ status, stdout }))).toEqual(Array.from({ length: 5 }, () => whole));
  });
});

describe('a run that outlives the drain', () => {
  it('is ended by TERM, a grace and KILL, delivered and recorded as cancelled by the shutdown', async () => {
    const place = home({ DRAIN_TIMEOUT: '400ms' });
    const program = await place.serve();
    const caller = await program.as(place.adminKey);
    const stream = caller.stream({ command: 'stubborn' });
    const answers = ['sleeper', 'polite', 'grandchild'].map((name) => caller.run(name));
    const pids = await underWay(place, 4);
    await startLater(caller, 'single');
    const queued = caller.run('single');
    await eventually(async () => (await caller.get<Page<RunSummary>>('/runs')).body.items[0]?.status === 'queued');
    const finished = await program.end('SIGTERM');

    const cancelled = { status: 'cancelled', outcome: { kind: 'cancelled', by: 'shutdown' } };
    const [asleep, polite, family] = await Promise.all(answers);
    expect(asleep).toMatchObject(cancelled);
    expect(polite).toMatchObject({ ...cancelled, stdout: 'goodbye\n' });
    expect(isAlive(Number(family?.stdout.trim().split('\n').at(-1)))).toBe(false);
    expect((await stream).at(-1)).toMatchObject({ event: 'run.finished', data: cancelled });
    expect(await queued).toMatchObject({ ...cancelled, startedAt: null, stdout: '' });
    expect(pids.filter(isAlive)).toEqual([]);
    expectCleanEnd(place, finished, program);

    const runs = await historyAfter(place);
    expect(runs).toHaveLength(6);
    for (const run of runs) expect(run).toMatchObject(cancelled);
    const stubborn = runs.find(({ command: name }) => name === 'stubborn');
    // All of the drain and all of the grace: 300 ms in these homes.
    expect(stubborn?.durationMs).toBeGreaterThanOrEqual(400 + 300);
  });
});

describe('a second signal', () => {
  it('cuts the drain short, also when it is the other one', async () => {
    const place = home({ DRAIN_TIMEOUT: FOR_EVER });
    const program = await place.serve();
    const caller = await program.as(place.adminKey);
    const answers = ['sleeper', 'stubborn'].map((name) => caller.run(name));
    const pids = await underWay(place, 2);
    program.kill('SIGINT');
    await isDraining(caller);
    expect(pids.filter(isAlive)).toEqual(pids);
    const finished = await program.end('SIGTERM');
    const cancelled = { status: 'cancelled', outcome: { kind: 'cancelled', by: 'shutdown' } };
    for (const run of await Promise.all(answers)) expect(run).toMatchObject(cancelled);
    expectCleanEnd(place, finished, program);
    for (const run of await historyAfter(place)) expect(run).toMatchObject(cancelled);
  });
});

describe('a run that is still being recorded', () => {
  it('when the signal comes, has the time of the drain like any other', async () => {
    const place = home({ DRAIN_TIMEOUT: FOR_EVER });
    const program = await place.serve();
    const caller = await program.as(place.adminKey);
    const unlock = lockStore(place);
    const answer = caller.post<RunEnvelope>('/run', { command: 'gated' }, { prefer: 'respond-async' });
    // Itself, and the one that asks.
    await eventually(async () => /^sallyport_http_requests_in_flight 2$/m.test((await caller.get<string>('/metrics')).body));
    program.kill('SIGTERM');
    await isDraining(caller);
    unlock();
    expect((await answer).status).toBe(202);
    await underWay(place, 1);
    expect((await caller.get('/health')).status).toBe(200);
    place.openGate();
    expectCleanEnd(place, await program.finished, program);
    expect(await historyAfter(place)).toMatchObject([{ status: 'succeeded', stdout: 'begun\ndone\n' }]);
  });
});

/** Holds the store's one right to write, as a backup or a second process may for a moment. */
function lockStore({ dataDir }: ProgramHome): () => void {
  const database = new Database(join(dataDir, 'sallyport.db'));
  database.exec('begin immediate');
  return () => database.exec('rollback').close();
}

describe('connections', () => {
  const health = requestText('GET', '/health', []);
  const streamOf = (place: Place, id: string) => requestText('GET', `/runs/${id}/stream`, [`X-API-Key: ${place.adminKey}`]);

  it('that are idle, or were opened for nothing, do not hold up the stop', async () => {
    const place = home({ DRAIN_TIMEOUT: FOR_EVER });
    const program = await place.serve();
    const [idle, unused] = [await RawConnection.open(await program.url()), await RawConnection.open(await program.url())];
    idle.send(health);
    await eventually(() => idle.received.includes('"status":"ok"'));
    expectCleanEnd(place, await program.end('SIGTERM'), program);
    await Promise.all([idle.closed, unused.closed]);
  });

  it('that never finish asking, or never read, get the time of the drain and no more', async () => {
    const place = home({ DRAIN_TIMEOUT: '300ms' });
    const program = await place.serve();
    const caller = await program.as(place.adminKey);
    const { id } = await caller.run('flood');
    const stalled = [
      'GET /health HTTP/1.1\r\nHost: localhost\r\n',
      requestText('POST', '/run', [`X-API-Key: ${place.adminKey}`, 'Content-Type: application/json'], '{}').subarray(0, -1),
      streamOf(place, id),
    ];
    const connections = await Promise.all(stalled.map(async () => RawConnection.open(await program.url())));
    connections.forEach((connection, index) => {
      connection.pause();
      connection.send(stalled[index]!);
    });
    await eventually(async () => {
      const { body } = await caller.get<string>('/metrics');
      return /^sallyport_http_requests_in_flight 3$/m.test(body);
    });
    expectCleanEnd(place, await program.end('SIGTERM'), program);
  });

  it('that are slow get their whole answer; what still comes over open ones is refused as draining', async () => {
    const place = home({ DRAIN_TIMEOUT: FOR_EVER });
    const program = await place.serve();
    const caller = await program.as(place.adminKey);
    const { id } = await caller.run('flood');
    const [slow, late] = [await RawConnection.open(caller.url), await RawConnection.open(caller.url)];
    slow.pause();
    slow.send(streamOf(place, id));
    const body = JSON.stringify({ command: 'greet' });
    const request = requestText('POST', '/run', [`X-API-Key: ${place.adminKey}`, 'Content-Type: application/json'], body).toString();
    late.send(request.slice(0, 30));
    program.kill('SIGTERM');
    await eventually(async () =>
      RawConnection.open(caller.url).then(
        () => false,
        () => true,
      ),
    );
    late.send(request.slice(30));
    await late.closed;
    const [head = '', problem = ''] = late.received.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 503 /);
    expect(head).toMatch(/^content-type: application\/problem\+json/im);
    expect(head).toMatch(/^connection: close$/im);
    expect(JSON.parse(problem)).toMatchObject({ code: 'draining' });
    slow.resume();
    await slow.closed;
    expect(slow.received.length).toBeGreaterThan(16 * MIB);
    expect(slow.received).toContain('event: run.finished');
    expectCleanEnd(place, await program.finished, program);
  });
});
