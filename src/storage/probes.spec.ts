import { describe, expect, it } from '@jest/globals';
import { openStore } from '../../test/kit/storage.js';
import { DiskProbe } from './disk.probe.js';
import { StorageProbe } from './storage.probe.js';

describe('the probes of the store', () => {
  it('are well with a store that works, and say so no longer when it is closed', async () => {
    const store = await openStore();
    const [storage, disk] = [new StorageProbe(store.db, store.keys), new DiskProbe(store.folder)];
    await storage.check();
    await disk.check();
    await store.close();
    await expect(storage.check()).rejects.toMatchObject({ code: 'storage_unavailable' });
    await expect(disk.check()).rejects.toThrow();
  });
});
