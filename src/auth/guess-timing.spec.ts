import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { openStore, sampleKey, type TestStore } from '../../test/kit/storage.js';
import { timeInTurns, welchT } from '../../test/kit/timing.js';
import { SystemClock } from '../config/system-clock.js';
import { AuthObserver } from './auth-observer.js';
import { Authenticator } from './authenticator.js';
import { formatKey, generateKey } from './key-format.js';

const PAIRS = 3_000;
const ROUNDS = 3;

class Silent extends AuthObserver {
  authFailed(): void {}
  rateLimited(): void {}
  touchFailed(): void {}
  watchFailed(): void {}
}

let store: TestStore;
afterEach(() => store.close());

describe('guessing keys', () => {
  it.each<[string, (genuine: string) => string]>([
    ['wrong', () => generateKey().secret],
    ['right in its first half', (genuine) => genuine.slice(0, 16) + generateKey().secret.slice(16)],
  ])('takes as long with an unknown id as with the right one and a secret that is %s [A4] [T30]', async (_how, secretFor) => {
    store = await openStore();
    const genuine = generateKey();
    await store.db.commit([{ kind: 'key.insert', key: sampleKey({ id: genuine.id, secretHash: genuine.secretHash }) }]);
    const authenticator = new Authenticator(store.keys, store.db, new SystemClock(), new Silent());
    const guess = async (key: string) => {
      // As requests come: in turns of their own.
      await setImmediate();
      await expect(authenticator.authenticate(['x-api-key', key], '192.0.2.1')).rejects.toMatchObject({ code: 'unauthenticated' });
    };
    await authenticator.authenticate(['x-api-key', genuine.text], '192.0.2.1');
    // What is prepared beforehand costs nobody time: one of each for every round.
    const unknown = Array.from({ length: 500 }, () => generateKey().text);
    const wrong = Array.from({ length: 500 }, () => formatKey({ id: genuine.id, secret: secretFor(genuine.secret) }));
    let at = 0;
    const next = (keys: readonly string[]) => keys[at++ % keys.length] ?? '';
    const distances: number[] = [];
    // A machine under load may make one round look different; a difference that is there shows in all of them.
    while (distances.length < ROUNDS && Math.min(Infinity, ...distances) >= 4.5)
      distances.push(
        welchT(
          await timeInTurns(
            PAIRS,
            () => guess(next(unknown)),
            () => guess(next(wrong)),
          ),
        ),
      );
    expect(Math.min(...distances)).toBeLessThan(4.5);
  });
});
