import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { CreatedKeyView } from '../src/auth/auth.schemas.js';
import type { Page } from '../src/domain/audit.js';
import type { Problem } from '../src/domain/errors.js';
import type { RunEnvelope, RunSummary } from '../src/runs/run-envelope.js';
import { isAlive } from './fixtures/fixture.js';
import { command, witness } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import type { Caller } from './kit/gateway.js';
import { Chronicler, expectSound, remains, witnessed } from './kit/history.js';
import type { Operation } from './kit/history-checker.js';
import { type Finished, type Program, removeHomes } from './kit/program.js';
import { witnessHome } from './kit/witness-home.js';

afterEach(removeHomes);

const ROUNDS = 4;

/** Asks for runs, waited for and not, until the gateway is gone. */
async function load(client: Chronicler, round: number): Promise<void> {
  let asked = 0;
  const worker = async (): Promise<void> => {
    for (let operation: Operation | undefined; operation?.outcome !== 'unknown';) {
      const mark = `mark-${round}-${++asked}`;
      operation = asked % 7 === 0 ? await client.run('long', mark, 'async') : await client.run('quick', mark, asked % 3 ? 'wait' : 'async');
      if (operation.outcome === 'rejected') throw new Error(`the gateway refused ${mark}`);
    }
  };
  await Promise.all(Array.from({ length: 6 }, worker));
}

describe('kill -9', () => {
  it('loses no acknowledged run, starts none twice, leaves none open and no child behind', async () => {
    const place = witnessHome();
    const history: Operation[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      const server = await place.serve();
      const loaded = load(new Chronicler(await server.as(place.adminKey), history), round);
      await delay(200 + Math.random() * 600);
      await server.end('SIGKILL');
      await loaded;
      await eventually(() => place.pids().filter(isAlive).length === 0, 5_000);
    }
    const { runs } = await expectSound(history, await (await place.serve()).as(place.adminKey), place.marks);
    expect(history.filter(({ outcome }) => outcome === 'ok').length).toBeGreaterThan(ROUNDS);
    expect(new Set(runs.map(({ status }) => status))).toEqual(new Set(['lost', 'succeeded']));
    expect(runs.filter(({ command }) => command === 'long').map(({ status }) => status)).not.toContain('succeeded');
  });

  it('leaves private files nowhere but in DATA_DIR, and the next start removes them, save those of others that live', async () => {
    const place = witnessHome();
    const folder = join(place.dataDir, 'private');
    place.declare({
      holds: command({
        exec: ['tail', '-f', '{body}'],
        params: { body: { type: 'text', via: 'file' } },
        timeout: '2min',
      }),
    });
    const files = () => readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const texts = () => files().map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'utf8'));
    const cli = place.start(['run', 'holds', 'body=of the command line']);
    await eventually(() => files().length === 1, 10_000);
    const server = await place.serve();
    void (await server.as(place.adminKey)).post('/run', { command: 'holds', args: { body: 'of the server' } }, { prefer: 'respond-async' });
    await eventually(() => files().length === 2);
    await server.end('SIGKILL');
    expect(files()).toHaveLength(2);
    const next = await place.serve();
    expect(texts()).toEqual(['of the command line']);
    await killed(cli);
    await next.end('SIGTERM');
    await (await place.serve()).end('SIGTERM');
    expect(files()).toEqual([]);
  });

  it('while runs wait for approval starts none of them: each is closed once, and can be approved no more [D4] [A12]', async () => {
    const place = witnessHome();
    place.declare({ wipe: { ...witness(place.marks), effect: 'destroy', role: 'operator' } });
    const server = await place.serve();
    const admin = await server.as(place.adminKey);
    const { body: key } = await admin.post<CreatedKeyView>('/auth/token', { name: 'requester', role: 'operator' });
    const requester = await server.as(key.key);
    const parked = await Promise.all(
      ['one', 'two'].map((mark) => requester.post<RunEnvelope>('/run', { command: 'wipe', args: { mark } })),
    );
    expect(parked.map(({ body }) => body.status)).toEqual(['awaiting_approval', 'awaiting_approval']);
    const { body: waiting } = await admin.get<Page<{ runId: string; fingerprint: string }>>('/approvals');
    await server.end('SIGKILL');
    for (let start = 1; start <= 2; start += 1) {
      const next = await place.serve();
      const again = await next.as(place.adminKey);
      for (const { runId, fingerprint } of waiting.items) {
        expect((await again.post<Problem>(`/approvals/${runId}/approve`, { fingerprint })).body.code).toBe('run_unknown');
        expect((await again.get<RunEnvelope>(`/runs/${runId}`)).body).toMatchObject({
          status: 'rejected',
          outcome: { kind: 'rejected', reason: 'approval_expired' },
          startedAt: null,
        });
      }
      const { entries, runs } = await remains(again, place.marks);
      const ends = entries.filter(({ action }) => action === 'run.outcome').map(({ subject }) => subject);
      expect(ends.toSorted()).toEqual(runs.map(({ id }) => id).toSorted());
      await next.end('SIGTERM');
    }
    expect(witnessed(place.marks)).toEqual([]);
  });

  it('of an executor host ends its runs as lost and nothing else', async () => {
    const place = witnessHome();
    const server = await place.serve();
    const caller = await server.as(place.adminKey);
    const pending = Array.from({ length: 4 }, (_, index) => caller.run('long', { mark: `long-${index}` }));
    const pids = await eventually(() => (place.pids().length === 4 ? place.pids() : false));
    for (const pid of new Set(pids.map(parentOf))) process.kill(pid, 'SIGKILL');
    expect((await Promise.all(pending)).map(({ status }) => status)).toEqual(['lost', 'lost', 'lost', 'lost']);
    await eventually(() => pids.filter(isAlive).length === 0, 5_000);
    await eventually(async () => (await caller.run('quick')).status === 'succeeded');
    await expectSound([], caller, place.marks);
  });
});

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

describe('one DATA_DIR', () => {
  const statusOf = async (caller: Caller, id: string) => (await caller.get<RunEnvelope>(`/runs/${id}`)).body.status;
  const startLong = async (caller: Caller) =>
    (await caller.post<RunEnvelope>('/run', { command: 'long' }, { prefer: 'respond-async' })).body.id;

  it('has one server: a second one says so and goes, and does no harm', async () => {
    const place = witnessHome();
    const server = await place.serve();
    const caller = await server.as(place.adminKey);
    const id = await startLong(caller);
    const second = await place.run(['serve']);
    expect(second).toMatchObject({ code: 2, stderr: 'conflict: Another server works on DATA_DIR. Stop it, or choose another folder.\n' });
    expect(await statusOf(caller, id)).toBe('running');
    expect((await caller.get('/ready')).status).toBe(200);
    await server.end('SIGKILL');
    expect((await place.serve()).pid).toBeGreaterThan(0);
  });

  it('may be used by the command line beside a server, whose runs it leaves alone', async () => {
    const place = witnessHome();
    const caller = await (await place.serve()).as(place.adminKey);
    const id = await startLong(caller);
    expect(await place.run(['run', 'quick', 'mark=beside'])).toMatchObject({ code: 0 });
    expect(await statusOf(caller, id)).toBe('running');
    expect((await caller.run('quick', { mark: 'after' })).status).toBe('succeeded');
    expect(witnessed(place.marks)).toEqual(['ran', 'beside', 'after']);
    const { body } = await caller.get<Page<RunSummary>>('/runs');
    expect(body.items.map(({ keyId, status }) => [keyId === 'local', status])).toEqual([
      [false, 'succeeded'],
      [true, 'succeeded'],
      [false, 'running'],
    ]);
    expect((await caller.get('/audit/verify')).body).toMatchObject({ ok: true });
  });

  it('keeps a run of the command line open when a server starts, and closes it once its program was killed', async () => {
    const place = witnessHome();
    const cli = place.start(['run', 'long', '--json']);
    const [pid = 0] = await eventually(() => (place.pids().length === 1 ? place.pids() : false), 10_000);
    const first = await place.serve();
    const { body } = await (await first.as(place.adminKey)).get<Page<RunSummary>>('/runs');
    expect(body.items.map(({ status }) => status)).toEqual(['queued']);
    await killed(cli);
    await eventually(() => !isAlive(pid), 5_000);
    await first.end('SIGTERM');
    const { runs } = await expectSound([], await (await place.serve()).as(place.adminKey), place.marks);
    expect(runs.map(({ status, keyId }) => [status, keyId])).toEqual([['lost', 'local']]);
  });
});

function killed(program: Program): Promise<Finished> {
  return program.end('SIGKILL');
}
