import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { stringify } from 'yaml';
import { Clock, EventBus } from '../src/domain/ports.js';
import type { AuditEntry, Page } from '../src/domain/audit.js';
import type { Problem } from '../src/domain/errors.js';
import type { BreakerTransition } from '../src/domain/resilience.js';
import type { HealthDetails } from '../src/health/health-details.js';
import type { BreakerView } from '../src/runs/breaker-desk.js';
import type { RunEnvelope } from '../src/runs/run-envelope.js';
import { command, exits, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Answer, type Caller, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { processesIn } from './kit/processes.js';
import { parseScrape, type Scrape } from './kit/scrape.js';

const folder = mkdtempSync(join(tmpdir(), 'sallyport-breakers-'));
const switchFile = join(folder, 'ill');
/** Fails while a file is there; waits a moment, so that callers come together. */
const peer = command({
  script: { interpreter: 'sh', text: 'sleep 0.05; [ ! -e "$1" ]', args: [switchFile] },
  breaker: { name: 'peer', failures: 5, recovery: '30s', probes: 2 },
});
const ill = () => writeFileSync(switchFile, '');
const well = () => rmSync(switchFile, { force: true });

beforeEach(well);
afterEach(stopGateways);
afterAll(() => rmSync(folder, { recursive: true }));

/** Stops the monotonic clock of a gateway; it moves when it is told to. */
function timeOf(gateway: TestGateway): (ms: number) => void {
  const clock = gateway.server.app.get(Clock);
  let now = Math.ceil(clock.monotonic());
  clock.monotonic = () => now;
  return (ms) => void (now += ms);
}

function transitionsOf(gateway: TestGateway): BreakerTransition[] {
  const seen: BreakerTransition[] = [];
  gateway.server.app.get(EventBus).subscribe('breaker.changed', (transition) => seen.push(transition));
  return seen;
}

type Outcome = Pick<RunEnvelope, 'id' | 'outcome'> & { readonly status: string | number; readonly code?: string };
const run = (caller: Caller, name = 'peer') => caller.post<Outcome>('/run', { command: name });
const together = (caller: Caller, count: number, name?: string) => Promise.all(Array.from({ length: count }, () => run(caller, name)));
const codes = (answers: readonly Answer<Outcome>[]) =>
  Object.entries(Object.groupBy(answers, ({ body }) => body.code ?? body.status)).map(([code, same]) => [code, same?.length]);
const breakers = async (caller: Caller) => (await caller.get<Page<BreakerView>>('/breakers')).body.items;
const scrape = async (gateway: TestGateway): Promise<Scrape> => parseScrape((await gateway.anonymous().get<string>('/metrics')).body);

describe('a breaker', () => {
  it('opens after its threshold, refuses for its recovery time, probes and closes, with 100 callers at once [H13]', async () => {
    const gateway = await startGateway({ commands: { peer }, settings: { MAX_CONCURRENT_RUNS: '200' } });
    const [advance, transitions, caller] = [timeOf(gateway), transitionsOf(gateway), await gateway.as('operator')];
    ill();
    for (let failures = 0; failures < 4; failures++) await run(caller);
    expect(await breakers(caller)).toMatchObject([{ state: 'closed', failuresInARow: 4, retryAfterMs: null, commands: ['peer'] }]);
    await run(caller);
    const launches = gateway.launches.length;
    const refused = await together(caller, 100);
    expect(codes(refused)).toEqual([['breaker_open', 100]]);
    expect(new Set(refused.map(({ status, headers }) => `${status} ${headers.get('retry-after')}`))).toEqual(new Set(['503 30']));
    advance(29_999);
    expect(await breakers(caller)).toMatchObject([{ state: 'open', retryAfterMs: 1 }]);
    expect(codes(await together(caller, 10))).toEqual([['breaker_open', 10]]);
    expect(gateway.launches).toHaveLength(launches);

    advance(1);
    // Two probes; the first that fails opens it again.
    const probed = await together(caller, 100);
    expect(Object.fromEntries(codes(probed))).toEqual({ failed: 2, breaker_open: 98 });
    expect(gateway.launches).toHaveLength(launches + 2);
    advance(30_000);
    well();
    expect(Object.fromEntries(codes(await together(caller, 100)))).toEqual({ succeeded: 2, breaker_open: 98 });
    expect(codes(await together(caller, 20))).toEqual([['succeeded', 20]]);

    expect(transitions.map(({ from, to }) => `${from} ${to}`)).toEqual([
      'closed open',
      'open half_open',
      'half_open open',
      'open half_open',
      'half_open closed',
    ]);
    const [{ counts, inFlight, state }] = (await breakers(caller)) as [BreakerView];
    expect([state, inFlight, counts]).toEqual(['closed', 0, { succeeded: 22, failed: 7, unclear: 0, refused: 306, opened: 2 }]);
    const { value } = await scrape(gateway);
    const moved = (to: string) => value('breaker_transitions_total', { name: 'peer', to });
    expect([moved('open'), moved('half_open'), moved('closed'), value('breaker_state', { name: 'peer' })]).toEqual([2, 2, 1, 0]);
    expect(value('errors_total', { code: 'breaker_open' })).toBe(counts.refused);
    expect(value('runs_total', { command: 'peer', outcome: 'exited' })).toBe(counts.succeeded + counts.failed);
    expect(value('runs_total', { command: 'peer', outcome: 'rejected' })).toBe(counts.refused);
  });

  it('is closed by an admin, one or all, and the audit log says who', async () => {
    const other = { ...exits, breaker: 'other' };
    const gateway = await startGateway({ commands: { peer, other } });
    const [operator, admin] = [await gateway.as('operator'), await gateway.as('admin')];
    ill();
    const fail = async () => {
      for (let failures = 0; failures < 5; failures++)
        await Promise.all([run(operator), operator.post('/run', { command: 'other', args: { code: 1 } })]);
    };
    const states = async () => (await breakers(operator)).map(({ state }) => state);
    await fail();
    expect(await states()).toEqual(['open', 'open']);
    expect((await operator.post('/breakers/peer/reset')).status).toBe(403);
    const { status, body } = await admin.post<BreakerView>('/breakers/peer/reset');
    expect([status, body]).toMatchObject([200, { name: 'peer', state: 'closed', failuresInARow: 0, failures: 5, probes: 2 }]);
    expect(await states()).toEqual(['open', 'closed']);
    expect((await run(operator)).body.status).toBe('failed');
    await fail();
    const all = await admin.post<Page<BreakerView>>('/breakers/reset');
    expect(all.body.items.map(({ name, state }) => `${name} ${state}`)).toEqual(['other closed', 'peer closed']);
    expect((await admin.post<Problem>('/breakers/nothing/reset')).body.code).toBe('breaker_unknown');
    const { items } = (await admin.get<Page<AuditEntry>>('/audit?action=breaker.reset')).body;
    expect(items.map(({ subject, details }) => `${subject} ${String(details['state'])}`).toSorted()).toEqual([
      'other open',
      'peer open',
      'peer open',
    ]);
  });

  it('is there for those who may see a command of it', async () => {
    const gateway = await startGateway({
      commands: { 'git.a': { ...exits, breaker: 'git' }, 'git.b': { ...exits, breaker: 'git' }, peer },
    });
    const seen = async (...scopes: string[]) =>
      (await breakers(await gateway.as('readonly', scopes))).map(({ name, commands }) => `${name}: ${commands.join(' ')}`);
    expect(await seen('*')).toEqual(['git: git.a git.b', 'peer: peer']);
    expect(await seen('git.b')).toEqual(['git: git.b']);
    expect(await seen('nothing.*')).toEqual([]);
    const narrow = gateway.with(await gateway.newKey({ role: 'admin', scopes: ['git.*'] }));
    expect((await narrow.post('/breakers/peer/reset')).status).toBe(404);
    expect((await narrow.post<Page<BreakerView>>('/breakers/reset')).body.items).toHaveLength(1);
  });

  it('that is open makes the gateway degraded, not unready', async () => {
    const gateway = await startGateway({ commands: { peer } });
    const caller = await gateway.as('operator');
    const health = async () => (await caller.get<HealthDetails>('/health/details')).body.status;
    expect(await health()).toBe('healthy');
    ill();
    for (let failures = 0; failures < 5; failures++) await run(caller);
    await eventually(async () => (await health()) === 'degraded');
    expect((await gateway.anonymous().get('/ready')).status).toBe(200);
    await (await gateway.as('admin')).post('/breakers/reset');
    await eventually(async () => (await health()) === 'healthy');
  });

  it('keeps its state over a reload that leaves its declaration alone', async () => {
    const gateway = await startGateway({ commands: { peer, sleeper }, settings: { CONFIG_WATCH: 'false' } });
    const [operator, admin] = [await gateway.as('operator'), await gateway.as('admin')];
    const reload = async (commands: Readonly<Record<string, unknown>>) => {
      writeFileSync(join(gateway.folder, 'commands', 'test.yaml'), stringify({ commands }, { aliasDuplicateObjects: false }));
      expect((await admin.post('/config/reload')).status).toBe(200);
    };
    ill();
    for (let failures = 0; failures < 5; failures++) await run(operator);
    await reload({ peer: { ...peer, summary: 'Another summary' } });
    expect((await run(operator)).body.code).toBe('breaker_open');
    await reload({ peer: { ...peer, breaker: { name: 'peer', failures: 6 } } });
    expect((await run(operator)).body.status).toBe('failed');
    expect(await breakers(operator)).toMatchObject([{ state: 'closed', failures: 6, failuresInARow: 1, counts: { failed: 1 } }]);
    await reload({ sleeper });
    expect(await breakers(operator)).toEqual([]);
  });

  it('spares its callers a peer that hangs: none waits longer than the timeout', async () => {
    const hangs = { ...sleeper, timeout: '300ms', breaker: { failures: 5 } };
    const gateway = await startGateway({ commands: { hangs }, settings: { MAX_CONCURRENT_RUNS: '20' } });
    const caller = await gateway.as('operator');
    await run(caller, 'hangs');
    const started = performance.now();
    const answers = await together(caller, 10, 'hangs');
    expect(performance.now() - started).toBeLessThan(3_000);
    expect(codes(answers)).toEqual([['timed_out', 10]]);
    const before = performance.now();
    expect(codes(await together(caller, 10, 'hangs'))).toEqual([['breaker_open', 10]]);
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(await breakers(caller)).toMatchObject([{ name: 'hangs', state: 'open', lastFailure: { cause: { kind: 'timeout' } } }]);
  });

  it('has no more places than it is given, for all who share it', async () => {
    const gateway = await startGateway({
      commands: { first: { ...sleeper, breaker: { name: 'shared', concurrent: 2 } }, second: { ...sleeper, breaker: 'shared' } },
    });
    const caller = await gateway.as('operator');
    const held = await Promise.all(
      ['first', 'second'].map((name) => caller.post<RunEnvelope>('/run', { command: name }, { prefer: 'respond-async' })),
    );
    const refused = await run(caller, 'second');
    expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([503, 'busy', '1']);
    for (const { body } of held) await caller.post(`/runs/${body.id}/cancel`);
  });
});

describe('a run that is tried more than once', () => {
  const tries = join(folder, 'tries');
  const counted = (text: string, differences: object = {}) =>
    command({ script: { interpreter: 'sh', text: `echo x >> "$1"; ${text}`, args: [tries] }, cwd: folder, ...differences });
  const made = () => (existsSync(tries) ? readFileSync(tries, 'utf8').length / 2 : 0);

  beforeEach(() => rmSync(tries, { force: true }));

  it('is one run, and says how often it was tried, in its envelope, its history and the audit log', async () => {
    const third = counted('[ "$(wc -l < "$1")" -ge 3 ]', { retry: { attempts: 5, delay: '1ms', maxDelay: '1ms' } });
    const gateway = await startGateway({ commands: { third } });
    const caller = await gateway.as('admin');
    const envelope = await caller.run('third');
    expect([envelope.status, envelope.attempts, made()]).toEqual(['succeeded', 3, 3]);
    expect((await caller.get<RunEnvelope>(`/runs/${envelope.id}`)).body.attempts).toBe(3);
    const { items } = (await caller.get<Page<AuditEntry>>(`/audit?subject=${envelope.id}`)).body;
    expect(items.map(({ action, details }) => [action, details['attempts']]).toSorted()).toEqual([
      ['run.intent', undefined],
      ['run.outcome', 3],
    ]);
    expect((await scrape(gateway)).value('retries_total', { command: 'third' })).toBe(2);
  });

  it('is not, when it may not be done twice', async () => {
    const gateway = await startGateway({ commands: { once: counted('exit 1', { effect: 'change', breaker: 'once' }) } });
    const envelope = await (await gateway.as('operator')).run('once');
    expect([envelope.status, envelope.attempts, made()]).toEqual(['failed', 1, 1]);
    await expect(startGateway({ commands: { twice: counted('exit 1', { effect: 'change', retry: { attempts: 2 } }) } })).rejects.toThrow(
      'only a command that reads or is idempotent may be retried',
    );
  });

  it('ends with its caller, also in the middle of a wait', async () => {
    const patient = counted('exit 1', { retry: { attempts: 5, delay: '1h', maxDelay: '1h' } });
    const gateway = await startGateway({ commands: { patient } });
    const caller = await gateway.as('operator');
    const { body } = await caller.post<RunEnvelope>('/run', { command: 'patient' }, { prefer: 'respond-async' });
    await eventually(() => made() === 1);
    // Its program has ended: it waits now for an hour.
    await eventually(() => processesIn(folder).length === 0);
    await caller.post(`/runs/${body.id}/cancel`);
    const run = await eventually(async () => {
      const found = (await caller.get<RunEnvelope>(`/runs/${body.id}`)).body;
      return found.status !== 'running' && found;
    });
    expect([run.status, run.attempts, made()]).toEqual(['cancelled', 1, 1]);
  });

  it('ends each try that takes too long, and the whole in time', async () => {
    const slow = counted('sleep 60', { timeout: '1min', retry: { attempts: 3, delay: '1ms', maxDelay: '1ms', timeout: '100ms' } });
    const gateway = await startGateway({ commands: { slow } });
    const envelope = await (await gateway.as('operator')).run('slow');
    expect([envelope.outcome, envelope.attempts, made()]).toEqual([{ kind: 'timed_out', afterMs: 100 }, 3, 3]);
  });
});
