import { afterEach, describe, expect, it } from '@jest/globals';
import { KeyBudgets } from '../src/auth/key-budgets.js';
import type { Principal } from '../src/domain/principal.js';
import { ManualClock } from './kit/manual-clock.js';
import { openStore, sampleKey, type TestStore } from './kit/storage.js';

const open: TestStore[] = [];
afterEach(async () => {
  for (const store of open.splice(0).reverse()) await store.close();
});

/** A process of its own, as far as the store can tell. */
async function startProcess(folder?: string): Promise<{ readonly store: TestStore; readonly budgets: KeyBudgets }> {
  const store = await openStore(folder === undefined ? {} : { folder });
  open.push(store);
  return { store, budgets: new KeyBudgets(store.keys, new ManualClock()) };
}

describe('a budget that two processes of one DATA_DIR spend [A8]', () => {
  it.each([
    ['a day', { budget: 10, calls: null }],
    ['in all', { budget: null, calls: 10 }],
  ])('admits exactly so many runs %s, and refuses the others as used up', async (_name, bounds) => {
    const first = await startProcess();
    const second = await startProcess(first.store.folder);
    const { id } = sampleKey(bounds);
    await first.store.db.commit([{ kind: 'key.insert', key: sampleKey(bounds) }]);
    const principal: Principal = {
      id,
      name: 'x',
      role: 'operator',
      scopes: ['*'],
      address: '::1',
      bounds: { ...bounds, rate: null, tokens: null, pins: {}, parent: null },
    };
    const spend = async ({ store, budgets }: typeof first) => {
      const claim = await budgets.claim(principal);
      try {
        await store.db.commit(claim?.writes ?? []);
        claim?.spend();
      } finally {
        claim?.release();
      }
    };
    const attempts = Array.from({ length: 40 }, (_, index) => spend(index % 2 === 0 ? first : second));
    const results = await Promise.allSettled(attempts);
    const codes = results.map((result) => (result.status === 'fulfilled' ? 'ran' : (result.reason as { code?: string }).code));
    expect(codes.filter((code) => code === 'ran')).toHaveLength(10);
    expect(codes.filter((code) => code === 'budget_used_up')).toHaveLength(30);
    expect(await second.store.keys.usage(id)).toMatchObject({ dayRuns: 10, runs: 10 });
  });
});

describe('tokens that a key has taken', () => {
  it('are counted by day, and for a clock that was set back in the later one', async () => {
    const { store } = await startProcess();
    const { id } = sampleKey({ tokens: 10 });
    await store.db.commit([{ kind: 'key.insert', key: sampleKey({ tokens: 10 }) }]);
    expect([(await store.keys.find(id))?.tokens, await store.keys.tokens(id)]).toEqual([10, undefined]);
    for (const [day, tokens, counted] of [
      ['2026-01-02', 5, { day: '2026-01-02', tokens: 5 }],
      ['2026-01-02', 7, { day: '2026-01-02', tokens: 12 }],
      ['2026-01-01', 1, { day: '2026-01-02', tokens: 13 }],
      ['2026-01-03', 2, { day: '2026-01-03', tokens: 2 }],
    ] as const) {
      await store.db.commit([{ kind: 'key.tokens', id, day, tokens }]);
      expect(await store.keys.tokens(id)).toEqual(counted);
    }
  });
});
