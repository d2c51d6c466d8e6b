import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { finished, intent, openStore, sampleRun, type TestStore, withDatabase } from '../../../test/kit/storage.js';
import { where } from '../../../test/kit/where.js';
import type { Run } from '../../domain/run.js';
import { isAlive, processIdentity } from './process-identity.js';

const onLinux = where(process.platform === 'linux', 'this is no Linux');

describe('the run history', () => {
  let store: TestStore;

  beforeEach(async () => {
    store = await openStore();
  });
  afterEach(() => store.close());

  async function insert(count: number, differences: (index: number) => Partial<Run> = () => ({})): Promise<Run[]> {
    const runs = Array.from({ length: count }, (_, index) => sampleRun(differences(index)));
    await Promise.all(runs.map((run) => store.db.commit(intent(run))));
    return runs;
  }

  async function finish(runs: readonly Run[], data: string, differences: Partial<Run> = {}): Promise<void> {
    await Promise.all(
      runs.map((run) =>
        store.db.commit([{ kind: 'run.finish', run: finished(run, differences), output: [{ stream: 'stdout', seq: 1, data }] }]),
      ),
    );
  }

  const ids = (runs: readonly Run[]) => runs.map(({ id }) => id);

  it('pages from newest to oldest, stable while runs come in', async () => {
    const runs = await insert(25);
    const seen: Run[] = [];
    let cursor: string | null = null;
    do {
      const page = await store.runs.page({ limit: 10, ...(cursor === null ? {} : { cursor }) });
      seen.push(...page.items);
      cursor = page.nextCursor;
      await insert(3);
    } while (cursor !== null);
    expect(ids(seen)).toEqual(ids(runs).reverse());
  });

  it('filters by each combination of principal, command and status', async () => {
    const runs = await insert(24, (index) => ({
      principalId: `p${index % 2}`,
      command: `c${index % 3}`,
      status: STATUSES[index % 4]!,
    }));
    for (const principalId of [undefined, 'p1']) {
      for (const command of [undefined, 'c2']) {
        for (const status of [undefined, ...STATUSES]) {
          const wanted = { ...(principalId && { principalId }), ...(command && { command }), ...(status && { status }) };
          const expected = runs
            .filter((run) => Object.entries(wanted).every(([name, value]) => run[name as keyof Run] === value))
            .reverse();
          const { items, nextCursor } = await store.runs.page({ ...wanted, limit: 50 });
          expect(items).toEqual(expected);
          expect(nextCursor).toBeNull();
        }
      }
    }
  });

  it('walks an index for every listing and sorts nothing', () => {
    const indexed = `status = 'x' and status not in ('queued', 'succeeded')`;
    const plans = [`principal_id = 'x'`, `command = 'x'`, indexed, `status = 'queued' and finished_at is null`].map((condition) =>
      queryPlan(store, `select * from runs where ${condition} and id < 'y' order by id desc limit 50`),
    );
    for (const plan of [...plans, queryPlan(store, 'select * from runs where finished_at is null order by id')]) {
      expect(plan).toMatch(/USING INDEX runs_/);
      expect(plan).not.toMatch(/TEMP B-TREE/);
    }
  });

  it('calls no run an orphan whose process lives', async () => {
    await insert(2);
    expect(await store.runs.orphans()).toEqual([]);
  });

  onLinux('calls a run an orphan when its process is gone, or its number belongs to another', async () => {
    const [mine, gone, recycled] = await insert(3);
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const child = spawn('true', { stdio: 'ignore' });
    await once(child, 'exit');
    store.tamper(`update runs set owner = '${boot}:${child.pid}:1' where id = '${gone?.id}'`);
    store.tamper(`update runs set owner = '${boot}:${process.pid}:1' where id = '${recycled?.id}'`);
    expect(ids(await store.runs.orphans())).toEqual([gone?.id, recycled?.id]);
    await finish([gone as Run], '', { status: 'lost', outcome: { kind: 'lost' } });
    expect(ids(await store.runs.orphans())).toEqual([recycled?.id]);
    expect((await store.runs.find(mine?.id ?? ''))?.status).toBe('queued');
  });

  it('knows itself among the living, and no nonsense', () => {
    expect(isAlive(processIdentity())).toBe(true);
    for (const nonsense of ['', ':', 'a:b:c', '0', '-1', 'x:-1:5', 'x:0:5', '9'.repeat(30)]) expect(isAlive(nonsense)).toBe(false);
  });

  it('forgets ended runs beyond age and count, with their output, and no audit entry', async () => {
    const old = await insert(4);
    await finish(old, 'old', { finishedAt: '2025-01-01T00:00:00.000Z' });
    const [open] = await insert(1);
    const recent = await insert(6);
    await finish(recent, 'recent');
    const removed = await store.runs.prune({ before: '2025-06-01T00:00:00.000Z', maxRuns: 4, maxOutputBytes: 1_000 });
    expect(removed).toBe(4 + 2);
    expect(ids((await store.runs.page({ limit: 50 })).items)).toEqual([...ids(recent).slice(2).reverse(), open?.id]);
    expect(await store.runs.output(old[0]?.id ?? '')).toEqual([]);
    expect((await store.audit.page({ limit: 50 })).items).toHaveLength(11);
  });

  it('forgets the oldest output beyond its bytes and keeps the runs', async () => {
    const runs = await insert(10);
    await finish(runs, 'ä'.repeat(50));
    expect(await store.runs.prune({ before: '2020', maxRuns: 100, maxOutputBytes: 450 })).toBe(0);
    const kept = await Promise.all(runs.map(async ({ id }) => (await store.runs.output(id)).length));
    expect(kept).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
    expect(await store.runs.find(runs[0]?.id ?? '')).toMatchObject({ status: 'succeeded' });
  });

  it('prunes a long history in pieces', async () => {
    await finish(await insert(1_700), 'x', { finishedAt: '2025-01-01T00:00:00.000Z' });
    expect(await store.runs.prune({ before: '2026-01-01T00:00:00.000Z', maxRuns: 1_000, maxOutputBytes: 1_000 })).toBe(1_700);
    expect(await store.runs.page({ limit: 1 })).toEqual({ items: [], nextCursor: null });
  });

  it('leaves open runs alone whatever the bounds', async () => {
    const runs = await insert(3);
    expect(await store.runs.prune({ before: '9999', maxRuns: 0, maxOutputBytes: 0 })).toBe(0);
    await store.db.commit([{ kind: 'run.remove', ids: ids(runs) }]);
    expect((await store.runs.page({ limit: 5 })).items).toHaveLength(3);
  });
});

const STATUSES = ['running', 'queued', 'succeeded', 'failed'] as const;

function queryPlan(store: TestStore, sql: string): string {
  return withDatabase(store.folder, (database) => JSON.stringify(database.prepare(`explain query plan ${sql}`).all()));
}
