import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { AuditEntry, AuditVerdict, Page } from '../src/domain/audit.js';
import type { RunEnvelope, RunSummary } from '../src/runs/run-envelope.js';
import { isAlive } from './fixtures/fixture.js';
import { command, witness } from './kit/commands.js';
import { eventually } from './kit/eventually.js';
import type { Caller } from './kit/gateway.js';
import { type Finished, type Program, type ProgramHome, programHome, removeHomes } from './kit/program.js';

afterEach(removeHomes);

const ROUNDS = 4;

/** A home whose commands leave traces outside of it: `quick` adds its mark to a file, `long` notes its pid and stays. */
function home(): ProgramHome & { readonly marks: () => string[]; readonly pids: () => number[] } {
  const place = programHome();
  const marks = join(place.folder, 'marks');
  const pids = join(place.folder, 'pids');
  mkdirSync(pids);
  const text = 'echo $$ > "$1/$$"; exec sleep 60';
  place.declare({
    quick: witness(marks),
    long: command({ script: { interpreter: 'sh', text, args: [pids] }, effect: 'change', timeout: '2min' }),
  });
  return Object.assign(place, {
    marks: () => (existsSync(marks) ? readFileSync(marks, 'utf8').split('\n').filter(Boolean) : []),
    pids: () => readdirSync(pids).map(Number),
  });
}

/** What the gateway has confirmed: the ids of runs, and the marks of those that it said have succeeded. */
interface Acknowledged {
  readonly ids: Set<string>;
  readonly done: Set<string>;
}

/** Asks for runs, waited for and not, until the gateway is gone. */
async function load(caller: Caller, round: number, acknowledged: Acknowledged): Promise<void> {
  let asked = 0;
  const worker = async (): Promise<void> => {
    for (;;) {
      const mark = `mark-${round}-${++asked}`;
      const name = asked % 7 === 0 ? 'long' : 'quick';
      const headers: Record<string, string> = asked % 7 === 0 || asked % 3 === 0 ? { prefer: 'respond-async' } : {};
      const answer = await caller.post<RunEnvelope>('/run', { command: name, ...(name === 'quick' ? { args: { mark } } : {}) }, headers);
      if (answer.status >= 300) throw new Error(`the gateway refused: ${JSON.stringify(answer.body)}`);
      acknowledged.ids.add(answer.body.id);
      if (answer.body.status === 'succeeded') acknowledged.done.add(mark);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: 6 }, worker));
  for (const end of ends) if (end.status === 'rejected' && !isBrokenConnection(end.reason)) throw end.reason;
}

/** The end that is asked for; a refusal is not. By name: what `fetch` throws is made outside of the realm of the tests. */
function isBrokenConnection(reason: unknown): boolean {
  return (reason as Error).name === 'TypeError' && ['fetch failed', 'terminated'].includes((reason as Error).message);
}

/** Every item of a listing. */
async function everything<T>(caller: Caller, path: string): Promise<T[]> {
  const items: T[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const { status, body }: { status: number; body: Page<T> } = await caller.get<Page<T>>(
      `${path}limit=200${cursor && `&cursor=${cursor}`}`,
    );
    expect(status).toBe(200);
    items.push(...body.items);
    cursor = body.nextCursor;
  }
  return items;
}

/** The runs, after a look at what must be true of any history: one intent and one outcome each, none open, a sound chain. */
async function soundHistory(caller: Caller): Promise<Map<string, RunSummary>> {
  const runs = await everything<RunSummary>(caller, '/runs?');
  expect(runs.filter(({ status }) => status === 'running' || status === 'queued')).toEqual([]);
  for (const action of ['run.intent', 'run.outcome']) {
    const subjects = (await everything<AuditEntry>(caller, `/audit?action=${action}&`)).map(({ subject }) => subject);
    expect([action, new Set(subjects).size]).toEqual([action, subjects.length]);
    expect(subjects.toSorted()).toEqual(runs.map(({ id }) => id).toSorted());
  }
  expect((await caller.get<AuditVerdict>('/audit/verify')).body).toMatchObject({ ok: true });
  return new Map(runs.map((run) => [run.id, run]));
}

describe('kill -9', () => {
  it('loses no acknowledged run, starts none twice, leaves none open and no child behind', async () => {
    const place = home();
    const acknowledged: Acknowledged = { ids: new Set(), done: new Set() };
    for (let round = 1; round <= ROUNDS; round++) {
      const server = await place.serve();
      const loaded = load(await server.as(place.adminKey), round, acknowledged);
      await delay(200 + Math.random() * 600);
      await server.end('SIGKILL');
      await loaded;
      await eventually(() => place.pids().filter(isAlive).length === 0, 5_000);
    }
    const caller = await (await place.serve()).as(place.adminKey);
    const runs = await soundHistory(caller);
    expect(acknowledged.ids.size).toBeGreaterThan(ROUNDS);
    expect([...acknowledged.ids].filter((id) => !runs.has(id))).toEqual([]);
    const lost = [...runs.values()].filter(({ status }) => status === 'lost');
    expect(lost.some(({ command: name }) => name === 'long')).toBe(true);
    expect(lost.filter(({ outcome, finishedAt }) => outcome?.kind !== 'lost' || finishedAt === null)).toEqual([]);
    expect([...runs.values()].filter(({ status }) => status !== 'lost' && status !== 'succeeded')).toEqual([]);
    const marks = place.marks();
    expect(marks.length).toBe(new Set(marks).size);
    expect([...acknowledged.done].filter((mark) => !marks.includes(mark))).toEqual([]);
    // No mark without a run: nothing was started that had not been recorded.
    const recorded = new Set([...runs.values()].map(({ args }) => args['mark']));
    expect(marks.filter((mark) => !recorded.has(mark))).toEqual([]);
  });

  it('of an executor host ends its runs as lost and nothing else', async () => {
    const place = home();
    const server = await place.serve();
    const caller = await server.as(place.adminKey);
    const pending = Array.from({ length: 4 }, () => caller.run('long'));
    const pids = await eventually(() => (place.pids().length === 4 ? place.pids() : false));
    for (const pid of new Set(pids.map(parentOf))) process.kill(pid, 'SIGKILL');
    expect((await Promise.all(pending)).map(({ status }) => status)).toEqual(['lost', 'lost', 'lost', 'lost']);
    await eventually(() => pids.filter(isAlive).length === 0, 5_000);
    await eventually(async () => (await caller.run('quick')).status === 'succeeded');
    await soundHistory(caller);
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
    const place = home();
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
    const place = home();
    const caller = await (await place.serve()).as(place.adminKey);
    const id = await startLong(caller);
    expect(await place.run(['run', 'quick', 'mark=beside'])).toMatchObject({ code: 0 });
    expect(await statusOf(caller, id)).toBe('running');
    expect((await caller.run('quick', { mark: 'after' })).status).toBe('succeeded');
    expect(place.marks()).toEqual(['beside', 'after']);
    const { body } = await caller.get<Page<RunSummary>>('/runs');
    expect(body.items.map(({ keyId, status }) => [keyId === 'local', status])).toEqual([
      [false, 'succeeded'],
      [true, 'succeeded'],
      [false, 'running'],
    ]);
    expect((await caller.get('/audit/verify')).body).toMatchObject({ ok: true });
  });

  it('keeps a run of the command line open when a server starts, and closes it once its program was killed', async () => {
    const place = home();
    const cli = place.start(['run', 'long', '--json']);
    const [pid = 0] = await eventually(() => (place.pids().length === 1 ? place.pids() : false), 10_000);
    const first = await place.serve();
    const { body } = await (await first.as(place.adminKey)).get<Page<RunSummary>>('/runs');
    expect(body.items.map(({ status }) => status)).toEqual(['queued']);
    await killed(cli);
    await eventually(() => !isAlive(pid), 5_000);
    await first.end('SIGTERM');
    const runs = await soundHistory(await (await place.serve()).as(place.adminKey));
    expect([...runs.values()].map(({ status, keyId }) => [status, keyId])).toEqual([['lost', 'local']]);
  });
});

function killed(program: Program): Promise<Finished> {
  return program.end('SIGKILL');
}
