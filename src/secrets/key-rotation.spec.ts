import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { MANAGER, secretRooms } from '../../test/kit/secret-rooms.js';
import { openStore, type TestStore } from '../../test/kit/storage.js';
import { Db, type Write } from '../domain/db.js';
import { MasterKeyFile } from '../storage/master-key-file.js';
import { masterKey } from './envelope.js';
import { GivenMasterKey } from './given-master-key.js';

const ROTATOR = fileURLToPath(new URL('../../test/kit/rotator.js', import.meta.url));
const VALUES = { ONE: 'the first value', TWO: 'the second value', THREE: 'the third value' };
const NAMES = Object.keys(VALUES);

describe('the rotation of the master key', () => {
  let store: TestStore;
  const keyFiles = () => readdirSync(store.folder).filter((name) => name.startsWith('master.key'));
  const keyInPlace = () => masterKey(readFileSync(join(store.folder, 'master.key'))).id;
  /** As a process that starts now would have it: it knows no key yet. */
  const rooms = (writes?: Db) => secretRooms(store.db, new MasterKeyFile(store.folder), writes);
  const expectReadable = async () => expect(await rooms().service.reveal(NAMES)).toEqual(Object.values(VALUES));

  beforeEach(async () => {
    store = await openStore();
    const { service } = rooms();
    for (const [name, value] of Object.entries(VALUES)) await service.set(name, value, MANAGER);
  });
  afterEach(() => store.close());

  it('puts every secret under a new key, and the old one is of no use any more', async () => {
    const before = await rooms().store.list();
    const oldKey = readFileSync(join(store.folder, 'master.key'));
    const rotation = await rooms().rotation.rotate(undefined, MANAGER);
    expect(rotation).toEqual({ from: masterKey(oldKey).id, to: keyInPlace(), secrets: 3 });
    await expectReadable();
    const after = await rooms().store.list();
    expect(after.map(({ sealed, version }) => [sealed, version])).toEqual(before.map(({ sealed, version }) => [sealed, version]));
    expect(after.map(({ keyId }) => keyId)).toEqual([rotation.to, rotation.to, rotation.to]);
    const withOld = secretRooms(store.db, new GivenMasterKey(oldKey));
    expect(await withOld.service.unreadable()).toEqual(['ONE', 'THREE', 'TWO']);
    expect(keyFiles()).toEqual(['master.key']);
    const { items } = await store.audit.page({ limit: 1 });
    expect(items).toMatchObject([{ action: 'secret.key_rotated', details: rotation }]);
  });

  const steps = [
    ...['before the new key', 'after the new key', 'before the store changes', 'after the store changed'],
    ...['before the old key goes', 'after the old key went', 'done'],
  ];
  it.each(steps.map((name, index) => [name, index + 1] as const))(
    'killed %s leaves every secret readable, and the next one goes through',
    async (name, step) => {
      const oldKey = keyInPlace();
      const rotator = spawn(process.execPath, [ROTATOR, store.folder, String(step)], { stdio: ['ignore', 'pipe', 'inherit'] });
      const [printed] = await Promise.all([text(rotator.stdout), once(rotator, 'close')]);
      expect([rotator.signalCode, printed.trim().split('\n').at(-1)]).toEqual(['SIGKILL', `${step} ${name}`]);

      await expectReadable();
      const under = await rooms().store.keyId();
      expect(under === oldKey).toBe(step < 4);
      await rooms().rotation.settle();
      if (step >= 4) expect(keyFiles()).toEqual(['master.key']);
      expect(keyInPlace()).toBe(under);
      await expectReadable();

      const rotation = await rooms().rotation.rotate(undefined, MANAGER);
      expect([rotation.from, rotation.to]).toEqual([under, keyInPlace()]);
      expect(keyFiles()).toEqual(['master.key']);
      await expectReadable();
    },
  );

  it('takes along what others set meanwhile', async () => {
    const others = rooms();
    let writes = 0;
    class Interrupted extends Db {
      override async commit(commit: readonly Write[]): Promise<void> {
        writes += 1;
        if (writes === 1) await others.service.set('ONE', 'a newer value', MANAGER);
        if (writes === 2) await others.service.delete('TWO', MANAGER);
        await store.db.commit(commit);
      }
    }
    expect(await rooms(new Interrupted()).rotation.rotate(undefined, MANAGER)).toMatchObject({ secrets: 2 });
    expect(writes).toBe(3);
    // Another process still knows the old key alone.
    await others.service.set('FOUR', 'the fourth value', MANAGER);
    for (const { service } of [rooms(), others])
      expect(await service.reveal(['ONE', 'THREE', 'FOUR'])).toEqual(['a newer value', VALUES.THREE, 'the fourth value']);
  });

  it('lets others set and read while the store has changed and the old key is still in its place', async () => {
    const others = rooms();
    await others.service.reveal(NAMES);
    class Meanwhile extends MasterKeyFile {
      override promote(): void {
        // Nothing: as if it came much later.
      }
    }
    await secretRooms(store.db, new Meanwhile(store.folder)).rotation.rotate(undefined, MANAGER);
    expect(keyFiles()).toEqual(['master.key', 'master.key.next']);
    await others.service.set('ONE', VALUES.ONE, MANAGER);
    expect(await others.service.reveal(NAMES)).toEqual(Object.values(VALUES));
    await expectReadable();
  });

  it('goes one at a time', async () => {
    const place = new MasterKeyFile(store.folder);
    await place.exclusively(async () => {
      await expect(rooms().rotation.rotate(undefined, MANAGER)).rejects.toMatchObject({ code: 'conflict' });
      await rooms().rotation.settle();
    });
    await expectReadable();
    await rooms().rotation.rotate(undefined, MANAGER);
  });

  it('changes nothing when a secret cannot be decrypted, and says which', async () => {
    const before = await rooms().store.list();
    const key = keyInPlace();
    store.tamper("update secrets set wrapped_key = (select wrapped_key from secrets where name = 'ONE') where name = 'TWO'");
    const refusal = { code: 'secrets_unreadable', message: expect.stringMatching(/: TWO\./) };
    await expect(rooms().rotation.rotate(undefined, MANAGER)).rejects.toMatchObject(refusal);
    expect((await rooms().store.list()).map(({ keyId }) => keyId)).toEqual(before.map(({ keyId }) => keyId));
    expect(keyInPlace()).toBe(key);
    await rooms().service.delete('TWO', MANAGER);
    await rooms().rotation.rotate(undefined, MANAGER);
    expect(await rooms().service.reveal(['ONE', 'THREE'])).toEqual([VALUES.ONE, VALUES.THREE]);
  });

  it('has nothing to do before the first secret, and takes no key where we keep it', async () => {
    const empty = await openStore();
    await expect(secretRooms(empty.db, new MasterKeyFile(empty.folder)).rotation.rotate(undefined, MANAGER)).rejects.toMatchObject({
      code: 'conflict',
    });
    await empty.close();
    await expect(rooms().rotation.rotate(randomBytes(32), MANAGER)).rejects.toMatchObject({ code: 'invalid_request' });
    await expectReadable();
  });
});

describe('the rotation of a master key that a setting gives', () => {
  it('takes the new one, puts all secrets under it, and does so once', async () => {
    const store = await openStore();
    const [first, second] = [randomBytes(32), randomBytes(32)];
    const rooms = (key: Buffer) => secretRooms(store.db, new GivenMasterKey(key));
    await rooms(first).service.set('ONE', VALUES.ONE, MANAGER);
    await expect(rooms(first).rotation.rotate(undefined, MANAGER)).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(rooms(first).rotation.rotate(first, MANAGER)).rejects.toMatchObject({ code: 'conflict' });
    await expect(rooms(second).rotation.rotate(randomBytes(32), MANAGER)).rejects.toMatchObject({ code: 'secrets_unreadable' });
    expect(await rooms(first).rotation.rotate(second, MANAGER)).toMatchObject({ to: masterKey(second).id, secrets: 1 });
    expect(await rooms(second).service.reveal(['ONE'])).toEqual([VALUES.ONE]);
    await expect(rooms(first).rotation.rotate(second, MANAGER)).rejects.toMatchObject({ code: 'conflict' });
    await expect(rooms(first).service.reveal(['ONE'])).rejects.toMatchObject({ code: 'secrets_unreadable' });
    await expect(rooms(first).service.set('ONE', VALUES.ONE, MANAGER)).rejects.toMatchObject({ code: 'secrets_unreadable' });
    expect(readdirSync(store.folder).filter((name) => name.startsWith('master.key'))).toEqual([]);
    await store.close();
  });
});

describe('the first secret', () => {
  it('may be set by somebody else while one is being set', async () => {
    const store = await openStore();
    const rooms = () => secretRooms(store.db, new MasterKeyFile(store.folder));
    const { service, store: secrets } = rooms();
    const keyId = secrets.keyId.bind(secrets);
    let looks = 0;
    secrets.keyId = async () => {
      const found = await keyId();
      if (looks++ === 0) await rooms().service.set('ONE', VALUES.ONE, MANAGER);
      return found;
    };
    await service.set('TWO', VALUES.TWO, MANAGER);
    expect(looks).toBeGreaterThan(1);
    expect(await rooms().service.reveal(['ONE', 'TWO'])).toEqual([VALUES.ONE, VALUES.TWO]);
    await store.close();
  });
});

describe('the file of the master key', () => {
  it('is refused when it is no key, and left as it is', async () => {
    const store = await openStore();
    writeFileSync(join(store.folder, 'master.key'), 'short');
    const { service } = secretRooms(store.db, new MasterKeyFile(store.folder));
    await expect(service.set('ONE', VALUES.ONE, MANAGER)).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(readFileSync(join(store.folder, 'master.key'), 'utf8')).toBe('short');
    rmSync(join(store.folder, 'master.key'));
    await service.set('ONE', VALUES.ONE, MANAGER);
    expect(await service.reveal(['ONE'])).toEqual([VALUES.ONE]);
    await store.close();
  });
});
