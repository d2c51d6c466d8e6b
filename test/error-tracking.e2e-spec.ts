import { randomBytes } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { VERSION } from '../src/config/version.js';
import type { HealthDetails } from '../src/health/health-details.js';
import { show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { syncFault } from './kit/faulty-server.js';
import type { Caller } from './kit/gateway.js';
import { type BugCanaries, plantBugs } from './kit/planted-bugs.js';
import { programHome, removeHomes } from './kit/program.js';
import { SentryPeer, stopSentryPeers } from './kit/sentry-peer.js';
import { under, withStrace } from './kit/strace.js';
import { witnessHome } from './kit/witness-home.js';

afterEach(async () => {
  await removeHomes();
  await stopSentryPeers();
});

const RELEASE = { release: `sallyport@${VERSION}`, environment: 'staging' };
const MISSING_RUN = `/runs/run_${'0'.repeat(32)}`;
/** What the host may spend on telling the peer at the end, and on everything else then, on a busy machine. */
const END_MS = 15_000;

const statsOf = async (admin: Caller) => (await admin.get<HealthDetails>('/health/details')).body.error_tracking;

interface ProfileChunk {
  readonly profiler_id: string;
  readonly profile: {
    readonly samples: readonly { readonly stack_id: number }[];
    readonly stacks: readonly (readonly number[])[];
    readonly frames: readonly { readonly filename: string }[];
  };
}

const toldOf = ({ dsn }: SentryPeer) => ({ SENTRY_DSN: dsn, SENTRY_TRACES_SAMPLE_RATE: '0', SENTRY_PROFILES_SAMPLE_RATE: '0' });

/** A peer, and a program that reports to it, and nothing by chance: neither samples nor profiles. */
async function reporting(settings: Record<string, string> = {}) {
  const peer = await SentryPeer.start();
  const home = programHome({
    commands: { show, sleeper },
    settings: { ...toldOf(peer), ENVIRONMENT: 'staging', DRAIN_TIMEOUT: '0s', ...settings },
  });
  return { peer, home };
}

describe('error tracking', () => {
  it('tells one event for one thrown bug, with release, route and request id', async () => {
    const { peer, home } = await reporting();
    const server = await home.serve(plantBugs(home));
    const admin = await server.as(home.adminKey);
    const run = await admin.post('/run', { command: 'show', args: { value: 'x' } }, { 'x-request-id': 'run-1' });
    expect(run.status).toBe(500);
    for (const id of ['bug-1', 'bug-2', 'bug-3'])
      expect((await admin.get(MISSING_RUN, { 'x-request-id': id, traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01` })).status).toBe(
        500,
      );
    const keyId = (await admin.get<{ id: string }>('/auth/me')).body.id;
    await server.end('SIGTERM');

    expect(peer.complaints).toEqual([]);
    expect(peer.events).toHaveLength(2);
    expect(peer.events[0]).toMatchObject({
      ...RELEASE,
      level: 'error',
      transaction: 'POST /run',
      user: { id: keyId },
      tags: { route: '/run', method: 'POST', command: 'show', request_id: 'run-1', code: 'internal', failure: 'internal' },
      exception: { values: [{ type: 'TypeError', value: 'Cannot read properties of undefined' }] },
    });
    expect(peer.events[1]).toMatchObject({
      ...RELEASE,
      transaction: 'GET /runs/:id',
      user: { id: keyId },
      tags: { route: '/runs/:id', method: 'GET', request_id: 'bug-1' },
      contexts: { trace: { trace_id: 'ab'.repeat(16) } },
      exception: { values: [{ type: 'Error' }, { type: 'RangeError' }, { type: 'Error', value: '(in the log)' }] },
    });
    expect(JSON.stringify(peer.events[0])).toMatch(/app:\/\/\/runs\/run-execution\.js/);
  });

  it('tells the share of requests that is sampled, without probes', async () => {
    const { peer, home } = await reporting({ SENTRY_TRACES_SAMPLE_RATE: '1' });
    const server = await home.serve();
    const admin = await server.as(home.adminKey);
    await admin.get('/health');
    const run = await admin.post('/run', { command: 'show', args: { value: 'x' } }, { 'x-request-id': 'traced-1' });
    expect(run.status).toBe(200);
    expect((await admin.get('/nowhere/at-all')).status).toBe(404);
    await eventually(async () => (await statsOf(admin)).sent >= 2);
    await server.end('SIGTERM');

    expect(peer.complaints).toEqual([]);
    expect(peer.events).toEqual([]);
    const [first, second] = peer.transactions;
    expect(first).toMatchObject({
      ...RELEASE,
      transaction: 'POST /run',
      tags: { route: '/run', method: 'POST', status: '200', command: 'show', request_id: 'traced-1' },
      contexts: { trace: { op: 'http.server', status: 'ok' } },
    });
    expect(second).toMatchObject({ transaction: 'GET unmatched', tags: { status: '404' } });
    expect(peer.transactions.map(({ transaction }) => transaction)).not.toContain('GET /health');
  });

  it('tells where the processor was, by functions and places of the product', async () => {
    const { peer, home } = await reporting({ SENTRY_TRACES_SAMPLE_RATE: '1', SENTRY_PROFILES_SAMPLE_RATE: '1' });
    const server = await home.serve();
    const admin = await server.as(home.adminKey);
    for (let run = 0; run < 40; run++) await admin.run('show', { value: 'x'.repeat(1000) });
    await server.end('SIGTERM');

    expect(peer.complaints).toEqual([]);
    const [chunk] = peer.payloads('profile_chunk') as unknown as readonly ProfileChunk[];
    expect(chunk).toMatchObject({ ...RELEASE, platform: 'node', version: '2', profiler_id: expect.stringMatching(/^[0-9a-f]{32}$/) });
    const { samples = [], stacks = [], frames = [] } = chunk?.profile ?? {};
    expect(samples.length).toBeGreaterThan(10);
    expect(samples.every(({ stack_id: id }) => (stacks[id] ?? []).every((index) => frames[index] !== undefined))).toBe(true);
    const seen = new Set(samples.flatMap(({ stack_id: id }) => (stacks[id] ?? []).map((index) => frames[index]?.filename)));
    expect([...seen].some((place) => /^app:\/\/\/[a-z]+\/[\w./-]+\.js$/.test(String(place)))).toBe(true);
    expect(frames.filter(({ filename }) => !/^(?:app:\/\/\/|node:)/.test(filename))).toEqual([]);
    expect(JSON.stringify(chunk)).not.toContain(process.cwd());
    expect(peer.transactions[0]).toMatchObject({ contexts: { profile: { profiler_id: chunk?.profiler_id } } });
  });

  it('lets none of thirty planted canaries out [A6, T40]', async () => {
    const planted: string[] = [];
    const canary = (): string => {
      planted.push(`k${randomBytes(12).toString('hex')}`);
      return planted.at(-1)!;
    };
    const bugs: BugCanaries = {
      message: canary(),
      cause: canary(),
      deepCause: canary(),
      property: canary(),
      variable: canary(),
      functionName: canary(),
      className: canary(),
      console: canary(),
    };
    const { peer, home } = await reporting({
      SENTRY_TRACES_SAMPLE_RATE: '1',
      SENTRY_PROFILES_SAMPLE_RATE: '1',
      [`MY_${canary()}`]: canary(),
      SENTRY_TAGS: canary(),
    });
    planted.push(home.folder, home.adminKey, process.cwd());
    const server = await home.serve({ ...plantBugs(home, bugs), SENTRY_NAME: canary(), SENTRY_RELEASE: canary() });
    const admin = await server.as(home.adminKey);
    const headers = {
      cookie: `session=${canary()}`,
      'user-agent': canary(),
      referer: `http://x/${canary()}`,
      'x-forwarded-for': canary(),
      'x-custom': canary(),
      baggage: `sentry-environment=${canary()}`,
      'sentry-trace': canary(),
      'idempotency-key': canary(),
    };
    const path = `/runs/${canary()}?q=${canary()}&token=${canary()}`;
    expect((await admin.get(path, headers)).status).toBe(500);
    const body = { command: 'show', args: { value: canary() } };
    expect((await admin.post('/run', body, headers)).status).toBe(500);
    expect((await admin.post('/run', { command: canary(), args: { [canary()]: canary() } })).status).toBe(404);
    expect((await admin.get(`/${canary()}/${canary()}`)).status).toBe(404);
    expect((await admin.get('/runs', { authorization: `Bearer ${canary()}` })).status).toBe(401);
    expect((await admin.request('PUT', `/secrets/KEPT`, { body: { value: canary() } })).status).toBeLessThan(300);
    await eventually(async () => (await statsOf(admin)).sent >= 7);
    server.kill('SIGUSR2');
    await server.finished;

    expect(new Set(planted).size).toBeGreaterThanOrEqual(30);
    expect(peer.complaints).toEqual([]);
    expect([peer.events.length, peer.transactions.length]).toEqual([3, expect.any(Number)]);
    expect(peer.transactions.length).toBeGreaterThanOrEqual(5);
    const arrived = peer.texts.join('\n');
    expect(planted.filter((text) => arrived.includes(text))).toEqual([]);
  });

  it('says nothing of what callers do wrong, nor of runs that they cancel or leave', async () => {
    const { peer, home } = await reporting();
    const server = await home.serve();
    const admin = await server.as(home.adminKey);
    await admin.get('/nowhere');
    await admin.post('/run', { command: 'none' });
    await admin.request('POST', '/run', { raw: '{' });
    await (await server.as('slp_wrong')).get('/runs');
    const leaving = new AbortController();
    const left = admin.request('POST', '/run', { body: { command: 'sleeper' }, signal: leaving.signal }).catch(() => undefined);
    const hasRun = async (status: string) =>
      (await admin.get<{ items: { status: string }[] }>('/runs')).body.items.some((run) => run.status === status);
    await eventually(() => hasRun('running'));
    leaving.abort();
    await left;
    await eventually(() => hasRun('cancelled'));
    expect(await statsOf(admin)).toEqual({ enabled: true, sent: 0, dropped: 0, failed: 0, last_error_at: null, last_failure_at: null });
    await server.end('SIGTERM');
    expect(peer.requests).toBe(0);
  });

  it('tells what killed it before it is gone', async () => {
    const { peer, home } = await reporting();
    const server = await home.serve(plantBugs(home));
    server.kill('SIGUSR2');
    expect((await server.finished).code).toBe(70);
    expect(peer.events).toHaveLength(1);
    expect(peer.events[0]).toMatchObject({ level: 'fatal', tags: { failure: 'unhandled' } });
    expect(peer.events[0]).toMatchObject({
      exception: { values: [{}, {}, { mechanism: { type: 'onuncaughtexception', handled: false } }] },
    });
  });

  it.each(['stall', 'dead'] as const)('serves and stops as ever when the peer is in a bad way: %s', async (mood) => {
    const { peer, home } = await reporting({ SENTRY_TRACES_SAMPLE_RATE: '1' });
    if (mood === 'dead') await peer.stop();
    else peer.mood = mood;
    const server = await home.serve();
    const admin = await server.as(home.adminKey);
    for (let request = 0; request < 5; request += 1) expect((await admin.run('show', { value: 'x' })).status).toBe('succeeded');
    if (mood === 'stall') await eventually(() => peer.requests >= 5);
    else await eventually(async () => (await statsOf(admin)).failed >= 5);
    expect((await statsOf(admin)).sent).toBe(0);
    const start = performance.now();
    expect((await server.end('SIGTERM')).code).toBe(0);
    expect(performance.now() - start).toBeLessThan(END_MS);
  });

  it('counts what a peer refuses, and asks no more of one that wants to be left alone', async () => {
    const { peer, home } = await reporting({ SENTRY_TRACES_SAMPLE_RATE: '1' });
    const server = await home.serve();
    const admin = await server.as(home.adminKey);
    peer.mood = 'refuse';
    await admin.run('show', { value: 'x' });
    await eventually(async () => (await statsOf(admin)).failed >= 1);
    peer.mood = 'limit';
    await eventually(async () => (await statsOf(admin)).dropped >= 1);
    const asked = peer.requests;
    await admin.run('show', { value: 'x' });
    await eventually(async () => (await statsOf(admin)).dropped >= 3);
    // Those that were on their way when it said so.
    expect(peer.requests - asked).toBeLessThanOrEqual(2);
    const { sent, failed, last_failure_at: at } = await statsOf(admin);
    expect([sent, failed > 0, at]).toEqual([0, true, expect.stringMatching(/^\d{4}-.*Z$/)]);
  });

  it('loads nothing of the SDK without a DSN, and takes the DSN from a file', async () => {
    const { peer, home } = await reporting({ LOG_LEVEL: 'silent' });
    home.write('dsn', `${peer.dsn}\n`);
    home.write(
      'tells-modules.mjs',
      `import { registerHooks } from 'node:module';
       registerHooks({ load: (url, context, next) => (url.includes('/@sentry/') && process.stderr.write('loads ' + url + '\\n'), next(url, context)) });`,
    );
    const watched = { NODE_OPTIONS: `--import=${pathToFileURL(join(home.folder, 'tells-modules.mjs')).href}`, LOG_LEVEL: 'info' };
    const without = await home.serve({ ...watched, SENTRY_DSN: undefined });
    expect((await statsOf(await without.as(home.adminKey))).enabled).toBe(false);
    expect((await without.end('SIGTERM')).stderr).toBe('');
    const given = await home.serve({ ...watched, SENTRY_DSN: undefined, SENTRY_DSN_FILE: 'dsn' });
    expect((await statsOf(await given.as(home.adminKey))).enabled).toBe(true);
    const { stderr, stdout } = await given.end('SIGTERM');
    expect(stderr).toMatch(/^loads .*@sentry\/node/m);
    expect(stdout).not.toContain(peer.key);
  });

  withStrace('tells of a store that cannot be written once, however many are refused', async () => {
    const peer = await SentryPeer.start();
    const home = witnessHome();
    await (await home.serve()).end('SIGTERM');
    const server = await home.serve(toldOf(peer), under(syncFault(1, 'intent', 'error=EIO')));
    const admin = await server.as(home.adminKey);
    for (let attempt = 0; attempt < 4; attempt += 1) expect((await admin.post('/run', { command: 'quick' })).status).toBe(503);
    await server.end('SIGTERM');
    expect(peer.events.map(({ tags }) => (tags as { failure: string }).failure)).toEqual(['store_unwritable']);
  });
});
