import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { openStore, type TestStore } from '../../../test/kit/storage.js';
import type { Write } from '../../domain/db.js';
import type { StoredSecret } from '../../domain/secret.js';
import { SqliteSecretStore } from './sqlite-secret-store.js';

describe('secrets in the store', () => {
  let store: TestStore;
  let secrets: SqliteSecretStore;

  beforeEach(async () => {
    store = await openStore();
    secrets = new SqliteSecretStore(store.db.reader);
  });
  afterEach(() => store.close());

  const sample = (differences: Partial<StoredSecret> = {}): StoredSecret => ({
    name: 'TOKEN',
    version: 1,
    keyId: 'k1',
    wrappedKey: 'wrapped',
    sealed: 'sealed',
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
    ...differences,
  });
  const put = (secret: StoredSecret, keyBefore: string | null = 'k1'): Write => ({ kind: 'secret.put', secret, keyBefore });
  const conflict = { code: 'conflict' };

  it('are found by name, listed by name, and say which key they are under', async () => {
    expect([await secrets.keyId(), await secrets.list()]).toEqual([null, []]);
    const [one, other] = [sample(), sample({ name: 'OTHER' })];
    await store.db.commit([put(one, null), put(other)]);
    expect(await secrets.list()).toEqual([other, one]);
    expect(await secrets.find(['TOKEN', 'NONE', 'OTHER'])).toEqual([one, other]);
    expect(await secrets.keyId()).toBe('k1');
  });

  it('get their next version and no other, and stay as they were created', async () => {
    await store.db.commit([put(sample(), null)]);
    const next = sample({ version: 2, sealed: 'other', updatedAt: '2026-02-01T00:00:00.000Z' });
    await store.db.commit([put({ ...next, createdAt: '2030-01-01T00:00:00.000Z' })]);
    expect(await secrets.find(['TOKEN'])).toEqual([next]);
    for (const version of [1, 2, 4]) await expect(store.db.commit([put(sample({ version }))])).rejects.toMatchObject(conflict);
    expect(await secrets.find(['TOKEN'])).toEqual([next]);
  });

  it('are all under one key, whoever writes', async () => {
    await store.db.commit([put(sample(), null)]);
    const stranger = sample({ name: 'OTHER', keyId: 'k2' });
    for (const keyBefore of [null, 'k1', 'k2']) await expect(store.db.commit([put(stranger, keyBefore)])).rejects.toMatchObject(conflict);
    expect([await secrets.list(), await secrets.keyId()]).toEqual([[sample()], 'k1']);
    await store.db.commit([{ kind: 'secret.remove', name: 'TOKEN' }]);
    await store.db.commit([put(stranger, 'k1')]);
    expect([await secrets.list(), await secrets.keyId()]).toEqual([[stranger], 'k2']);
    await expect(store.db.commit([{ kind: 'secret.remove', name: 'TOKEN' }])).rejects.toMatchObject(conflict);
  });

  it('change their key together or not at all', async () => {
    const both = [sample(), sample({ name: 'OTHER' })];
    await store.db.commit([put(both[0]!, null), put(both[1]!)]);
    const rewrapped = both.map((secret) => ({ ...secret, keyId: 'k2', wrappedKey: 'again' }));
    const rewrap = (some: readonly StoredSecret[], keyBefore = 'k1'): Promise<void> =>
      store.db.commit([{ kind: 'secret.rewrap', secrets: some, keyBefore, keyAfter: 'k2' }]);
    await expect(rewrap(rewrapped.slice(1))).rejects.toMatchObject(conflict);
    await expect(rewrap(rewrapped, 'k0')).rejects.toMatchObject(conflict);
    await expect(rewrap([...rewrapped, sample({ name: 'GONE' })])).rejects.toMatchObject(conflict);
    await expect(rewrap(rewrapped.map((secret) => ({ ...secret, version: 2 })))).rejects.toMatchObject(conflict);
    expect([await secrets.list(), await secrets.keyId()]).toEqual([[both[1], both[0]], 'k1']);
    await rewrap(rewrapped);
    expect([await secrets.list(), await secrets.keyId()]).toEqual([[rewrapped[1], rewrapped[0]], 'k2']);
  });
});
