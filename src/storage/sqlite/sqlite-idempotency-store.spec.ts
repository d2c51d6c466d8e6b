import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { intent, openStore, sampleRun, type TestStore, withDatabase } from '../../../test/kit/storage.js';
import type { Write } from '../../domain/db.js';
import type { IdempotencyRecord } from '../../domain/idempotency.js';
import type { Run } from '../../domain/run.js';
import { SqliteIdempotencyStore } from './sqlite-idempotency-store.js';

describe('idempotency keys', () => {
  let store: TestStore;
  let keys: SqliteIdempotencyStore;

  beforeEach(async () => {
    store = await openStore();
    keys = new SqliteIdempotencyStore(store.db.reader, store.db);
  });
  afterEach(() => store.close());

  const record = (run: Run, differences: Partial<IdempotencyRecord> = {}): IdempotencyRecord => ({
    principalId: run.principalId,
    key: 'order-1',
    fingerprint: 'f'.repeat(64),
    runId: run.id,
    createdAt: '2026-01-02T00:00:00.000Z',
    ...differences,
  });
  const tie = (given: IdempotencyRecord, freeBefore = '2026-01-01T00:00:00.000Z'): Write => ({
    kind: 'idempotency.insert',
    record: given,
    freeBefore,
  });

  it('are found under their principal and in their spelling, together with the run', async () => {
    const run = sampleRun();
    await store.db.commit([...intent(run), tie(record(run))]);
    expect(await keys.find(run.principalId, 'order-1')).toEqual(record(run));
    expect(await store.runs.find(run.id)).toEqual(run);
    for (const [principal, key] of [
      ['somebody', 'order-1'],
      [run.principalId, 'Order-1'],
      [run.principalId, ''],
    ] as const) {
      expect(await keys.find(principal, key)).toBeUndefined();
    }
  });

  it('stand for one run: of commits at the same time one is written, and the others leave no trace', async () => {
    const runs = Array.from({ length: 20 }, () => sampleRun());
    const results = await Promise.allSettled(runs.map((run) => store.db.commit([...intent(run), tie(record(run))])));
    const written = runs.filter((_run, index) => results[index]?.status === 'fulfilled');
    expect(written).toHaveLength(1);
    expect(results.filter(({ status }) => status === 'rejected')).toEqual(
      Array(19).fill(expect.objectContaining({ reason: expect.objectContaining({ code: 'conflict' }) })),
    );
    expect((await store.runs.page({ limit: 50 })).items).toEqual(written);
    expect((await store.audit.page({ limit: 50 })).items).toHaveLength(1);
    expect((await keys.find(written[0]!.principalId, 'order-1'))?.runId).toBe(written[0]?.id);
  });

  it('are given anew once they are old enough, whole', async () => {
    const [first, second] = [sampleRun(), sampleRun()];
    await store.db.commit([tie(record(first))]);
    const later = record(second, { fingerprint: 'e'.repeat(64), createdAt: '2026-01-03T00:00:00.000Z' });
    await expect(store.db.commit([tie(later, '2026-01-02T00:00:00.000Z')])).rejects.toMatchObject({ code: 'conflict' });
    await store.db.commit([tie(later, '2026-01-02T00:00:00.001Z')]);
    expect(await keys.find(first.principalId, 'order-1')).toEqual(later);
  });

  it('of a thousand old ones are pruned in pieces; younger ones and those given anew meanwhile stay', async () => {
    const run = sampleRun();
    const old = Array.from({ length: 1_001 }, (_, index) => record(run, { key: `old-${index}`, createdAt: '2026-01-01T00:00:00.000Z' }));
    await store.db.commit([...old, record(run)].map((given) => tie(given, '2025')));
    const transactions = store.db.statistics.transactions;
    expect(await keys.prune('2026-01-02T00:00:00.000Z')).toBe(1_001);
    expect(store.db.statistics.transactions).toBe(transactions + 3);
    expect(await keys.prune('2026-01-02T00:00:00.000Z')).toBe(0);
    await store.db.commit([{ kind: 'idempotency.remove', keys: [record(run)], freeBefore: '2026-01-02T00:00:00.000Z' }]);
    expect(await keys.find(run.principalId, 'order-1')).toEqual(record(run));
  });

  it('are found, and the old among them, by an index', () => {
    const plan = (sql: string) =>
      withDatabase(store.folder, (database) => JSON.stringify(database.prepare(`explain query plan ${sql}`).all()));
    expect(plan("select * from idempotency_keys where principal_id = 'x' and key = 'y'")).toMatch(/USING INDEX/);
    const old = plan("select * from idempotency_keys where created_at < 'x' order by created_at limit 500");
    expect(old).toMatch(/USING INDEX idempotency_keys_by_age/);
    expect(old).not.toMatch(/TEMP B-TREE/);
  });
});
