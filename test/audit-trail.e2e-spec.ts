import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { AuditEntry } from '../src/domain/audit.js';
import { exits, show, sleeper } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import { type Caller, startGateway, stopGateways, type TestGateway } from './kit/gateway.js';
import { closeConnections, RawConnection } from './kit/raw-connection.js';
import { exchange, requestText } from './kit/raw-http.js';
import { parseScrape } from './kit/scrape.js';
import { openStore } from './kit/storage.js';

const commands = { show, exits, sleeper, rare: { ...exits, limits: { rate: '1/d' } } };

const WORKERS = 20;
const TURNS = 60;
const KINDS = 18;
const kindOf = (worker: number, turn: number) => (turn * 7 + worker) % KINDS;
/** The last kind is a run that is carried out. */
const RUNS = Array.from({ length: WORKERS * TURNS }, (_, index) => kindOf(index % WORKERS, Math.floor(index / WORKERS))).filter(
  (kind) => kind === KINDS - 1,
).length;

describe('the audit trail of requests', () => {
  let folder: string;
  let gateway: TestGateway;
  let operator: Caller;
  let readonly: Caller;
  /** What clients were answered, by status. */
  let answered: Map<number, number>;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-trail-'));
    gateway = await startGateway({ commands, dataDir: join(folder, 'data'), settings: { BODY_LIMIT: '1KiB' } });
    operator = await gateway.as('operator');
    readonly = await gateway.as('readonly');
    await operator.run('rare', { code: 0 });
    answered = new Map();
  });
  afterEach(async () => {
    closeConnections();
    await stopGateways();
    rmSync(folder, { recursive: true, force: true });
  });

  const tell = (status: number) => void answered.set(status, (answered.get(status) ?? 0) + 1);

  /** Each sends one request and says how it was answered. */
  const refusals: (() => Promise<{ readonly status: number }>)[] = [
    () => gateway.anonymous().post('/run', { command: 'show' }),
    () => gateway.with('slp_no').get('/runs'),
    () => readonly.post('/run', { command: 'show' }),
    () => readonly.get('/audit'),
    () => operator.get('/nowhere'),
    () => operator.get('/runs/run_x'),
    () => operator.post('/run', { command: 'missing' }),
    () => operator.request('DELETE', '/run'),
    () => operator.request('POST', '/run', { raw: '{"command":' }),
    () => operator.request('POST', '/run', { raw: 'x'.repeat(5_000) }),
    () => operator.request('POST', '/run', { raw: 'x', headers: { 'content-type': 'text/plain' } }),
    () => operator.post('/run', { command: 'show', args: { valu: 'x' } }),
    () => operator.post('/run', { command: 'rare', args: { code: 0 } }),
    () => operator.get(`/${'x'.repeat(9_000)}`),
    () => exchange(gateway.url, 'NONSENSE\r\n\r\n'),
    () => exchange(gateway.url, requestText('GET', '/runs', [`X-Large: ${'x'.repeat(20_000)}`])),
  ];

  /** Everything in the log, when all that was to be written is. */
  async function entries(): Promise<AuditEntry[]> {
    // An answer may go out before the body that it refuses has come: that connection is not idle yet.
    await operator.get('/health');
    await gateway.stop({ keepData: true });
    const store = await openStore({ folder: gateway.dataDir });
    const all: AuditEntry[] = [];
    for await (const entry of store.audit.entries()) all.push(entry);
    await store.close();
    return all;
  }

  it('counts every refusal once, by its status, in a flood with runs, reads and aborted uploads [D9]', async () => {
    const kinds = [...refusals, () => operator.get('/runs'), () => operator.post('/run', { command: 'show', args: { value: 'x' } })];
    const flood = Array.from({ length: WORKERS }, async (_, worker) => {
      for (let turn = 0; turn < TURNS; turn += 1) tell((await kinds[kindOf(worker, turn)]!()).status);
    });
    const uploads = await Promise.all(Array.from({ length: 25 }, upload));
    await Promise.all(flood);
    await abort(uploads);
    const log = await entries();
    const refused = log.filter(({ action }) => action === 'request.refused');
    const counted = new Map<number, number>();
    for (const { details } of refused)
      counted.set(Number(details['status']), (counted.get(Number(details['status'])) ?? 0) + Number(details['count']));
    const expected = [...answered].filter(([status]) => status >= 400);
    expect(expected.map(([status]) => status)).toEqual(expect.arrayContaining([400, 401, 403, 404, 405, 413, 414, 415, 429, 431, 499]));
    expect(new Map([...counted].sort())).toEqual(new Map(expected.sort()));
    expect(refused.length).toBeLessThan(300);
    const runs = (action: string) => log.filter((entry) => entry.action === action && entry.details['command'] === 'show').length;
    expect([runs('run.intent'), runs('run.outcome')]).toEqual([RUNS, RUNS]);
  }, 60_000);

  it('says who was refused what, from where and why, and nothing that they sent', async () => {
    const secret = 'hush-hush';
    const headers = { 'x-request-id': 'mine-1' };
    await readonly.post(`/run?token=${secret}`, { command: secret }, headers);
    await gateway.anonymous().get(`/nowhere/${secret}`);
    await exchange(gateway.url, `NONSENSE ${secret}\r\n\r\n`);
    const [forbidden, lost, nonsense, ...others] = (await entries()).filter(({ action }) => action === 'request.refused');
    const address = '127.0.0.1';
    const details = { method: 'POST', route: '/run', status: 403, code: 'forbidden', address, count: 1 };
    expect(forbidden).toMatchObject({ principalId: readonly.key?.slice(4, 16), subject: 'POST /run', requestId: 'mine-1', details });
    expect(lost).toMatchObject({
      principalId: 'anonymous',
      subject: 'GET unmatched',
      details: { status: 404, code: 'not_found', address },
    });
    expect(nonsense).toMatchObject({ principalId: 'anonymous', details: { status: 400, code: 'malformed_request', address } });
    expect(others).toEqual([]);
    expect(JSON.stringify([forbidden, lost, nonsense])).not.toContain(secret);
  });

  it('leaves one trail for a request that did something, whatever became of its answer, and one for what was answered without', async () => {
    const admin = await gateway.as('admin');
    const asked = (caller: Caller, id: string, path: string, body?: object, more = {}) =>
      caller.post<{ id: string }>(path, body, { 'x-request-id': id, ...more });
    const body = { command: 'show', args: { value: 'x' } };
    await asked(operator, 'ran', '/run', body, { 'idempotency-key': 'k' });
    await asked(operator, 'replayed', '/run', body, { 'idempotency-key': 'k' });
    await asked(admin, 'keyed', '/auth/token', { name: 'x', role: 'readonly', scopes: ['*'] });
    await asked(operator, 'nothing', '/batch', { items: [{ command: 'missing' }] });
    const background = await asked(operator, 'background', '/run', { command: 'sleeper' }, { prefer: 'respond-async' });
    await asked(operator, 'cancelled', `/runs/${background.body.id}/cancel`);
    const leaving = new AbortController();
    const left = operator.request('POST', '/run', {
      body: { command: 'sleeper' },
      headers: { 'x-request-id': 'left' },
      signal: leaving.signal,
    });
    await eventually(() => gateway.launches.length >= 4);
    leaving.abort();
    await left.catch(() => undefined);
    // The same id as a request that ran: that one's entries are not this one's.
    await asked(readonly, 'ran', '/run', body);
    const log = await entries();
    const trail = (id: string) =>
      log.filter(({ requestId }) => requestId === id).map(({ action, details }) => [action, details['status']].filter(Boolean).join(' '));
    expect(trail('ran')).toEqual(['run.intent', 'run.outcome', 'request.refused 403']);
    expect(trail('replayed')).toEqual(['request.answered 200']);
    expect(trail('keyed')).toEqual(['key.created']);
    expect(trail('nothing')).toEqual(['request.answered 200']);
    expect(trail('background')).toEqual(['run.intent', 'run.outcome']);
    expect(trail('cancelled')).toEqual(['request.answered 202']);
    expect(trail('left')).toEqual(['run.intent', 'run.outcome']);
  }, 30_000);

  it('joins a flood of refusals, so that it costs the disk next to nothing', async () => {
    for (let round = 0; round < 40; round += 1) await Promise.all(Array.from({ length: 50 }, () => gateway.anonymous().get('/runs')));
    const refused = (await entries()).filter(({ action }) => action === 'request.refused');
    expect(refused.reduce((sum, { details }) => sum + Number(details['count']), 0)).toBe(2_000);
    expect(refused.length).toBeLessThan(150);
    const joined = refused.find(({ details }) => Number(details['count']) > 1);
    expect(joined?.details).toMatchObject({ addresses: ['127.0.0.1'], status: 401, code: 'unauthenticated', route: '/runs' });
  }, 30_000);

  /** Sends half a body. */
  async function upload(): Promise<RawConnection> {
    const connection = await RawConnection.open(gateway.url);
    const head = `POST /run HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${operator.key}\r\nContent-Type: application/json`;
    connection.send(`${head}\r\nContent-Length: 100\r\n\r\n{"com`);
    return connection;
  }

  /** The clients leave when the gateway is at all of them. */
  async function abort(uploads: readonly RawConnection[]): Promise<void> {
    const inFlight = async () => parseScrape((await operator.get<string>('/metrics')).body).value('http_requests_in_flight');
    await eventually(async () => (await inFlight()) === uploads.length + 1);
    for (const connection of uploads) {
      connection.destroy();
      tell(499);
    }
    await eventually(async () => (await inFlight()) === 1);
  }
});
