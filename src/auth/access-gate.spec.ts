import { beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../test/kit/manual-clock.js';
import { MemoryKeyStore } from '../../test/kit/memory-key-store.js';
import { ROLES, type Role } from '../domain/principal.js';
import { RateCounter } from '../domain/ports.js';
import { type Access, AccessGate, type GateRequest } from './access-gate.js';
import { AuthObserver } from './auth-observer.js';
import { Authenticator } from './authenticator.js';
import { generateKey } from './key-format.js';
import { KeyService } from './key.service.js';
import { LOCAL_PRINCIPAL } from './local-principal.js';
import { MemoryRateCounter } from './memory-rate-counter.js';
import { RateLimits } from './rate-limits.js';

const rates = { key: { count: 2, windowMs: 60_000 }, address: { count: 5, windowMs: 60_000 } };

class Silent extends AuthObserver {
  authFailed(): void {}
  rateLimited(): void {}
  touchFailed(): void {}
  watchFailed(): void {}
}

class BrokenCounter extends RateCounter {
  spend(): Promise<never> {
    return Promise.reject(new Error('counter is gone'));
  }
  peek(): Promise<never> {
    return this.spend();
  }
}

let store: MemoryKeyStore;
let headers: Readonly<Record<string, string>>;
let keys: KeyService;
let gate: AccessGate;

function gateWith(counter: RateCounter): AccessGate {
  const observer = new Silent();
  return new AccessGate(
    new Authenticator(store, store.db, new ManualClock(), observer),
    new RateLimits(counter, { enabled: true, rates }, observer),
  );
}

beforeEach(() => {
  store = new MemoryKeyStore();
  headers = {};
  keys = new KeyService(store, store.db, store.audit, new ManualClock());
  gate = gateWith(new MemoryRateCounter(new ManualClock()));
});

async function keyOf(role: Role): Promise<string> {
  const { text } = await keys.create({ name: role, role, scopes: ['*'] }, { principal: LOCAL_PRINCIPAL, requestId: 'req_test' });
  return text;
}

const enter = (access: Access | undefined, key?: string, more: Partial<GateRequest> = {}) =>
  gate.enter({
    access,
    rawHeaders: key === undefined ? [] : ['X-API-Key', key],
    address: '192.0.2.1',
    exempt: false,
    announce: (given) => (headers = given),
    ...more,
  });

describe('the gate', () => {
  it('lets each role through where its role or a lower one is asked for, and nowhere else', async () => {
    const doors: string[] = [];
    for (const role of ROLES) {
      for (const access of ROLES) {
        const address = `198.51.100.${doors.length}`;
        const verdict = await enter(access, await keyOf(role), { address }).then(
          () => 'enters',
          ({ code }: { code: string }) => code,
        );
        doors.push(`${role}, ${access} needed: ${verdict}`);
      }
    }
    expect(doors).toEqual([
      'readonly, readonly needed: enters',
      'readonly, operator needed: forbidden',
      'readonly, admin needed: forbidden',
      'operator, readonly needed: enters',
      'operator, operator needed: enters',
      'operator, admin needed: forbidden',
      'admin, readonly needed: enters',
      'admin, operator needed: enters',
      'admin, admin needed: enters',
    ]);
  });

  it('keeps everybody out of a route that declares nothing, admins too', async () => {
    await expect(enter(undefined, await keyOf('admin'))).rejects.toMatchObject({ code: 'forbidden' });
    await expect(enter(undefined, undefined, { exempt: true })).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('asks nobody for a key on a public route, and looks none up', async () => {
    await expect(enter('public', generateKey().text)).resolves.toBeUndefined();
    expect(store.lookups).toEqual([]);
    expect(headers).toEqual({ 'ratelimit-policy': '"address";q=5;w=60', ratelimit: '"address";r=4;t=60' });
  });

  it('takes an optional key, takes none, and refuses a bad one', async () => {
    await expect(enter('optional')).resolves.toBeUndefined();
    await expect(enter('optional', await keyOf('readonly'))).resolves.toMatchObject({ name: 'readonly' });
    await expect(enter('optional', generateKey().text)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('answers probes however often they ask, and counts them nowhere', async () => {
    for (let round = 0; round < 20; round++) {
      await enter('public', undefined, { exempt: true });
      await enter('optional', undefined, { exempt: true });
    }
    expect(headers).toEqual({});
    await enter('public');
    expect(headers['ratelimit']).toBe('"address";r=4;t=60');
  });

  it.each(['readonly', 'optional'] as const)(
    'counts keys on an exempt %s route too: nobody guesses them there for free',
    async (access) => {
      const guess = () => enter(access, generateKey().text, { exempt: true });
      for (let round = 0; round < 5; round++) await expect(guess()).rejects.toMatchObject({ code: 'unauthenticated' });
      await expect(guess()).rejects.toMatchObject({ code: 'rate_limited' });
    },
  );
});

describe('the order of the gate', () => {
  it('slows down whoever guesses, and lets a good key in from behind the same address (A10)', async () => {
    const key = await keyOf('operator');
    const guess = () => enter('operator', generateKey().text);
    for (let round = 0; round < 5; round++) await expect(guess()).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(headers['ratelimit']).toBe('"address";r=0;t=60');
    await expect(guess()).rejects.toMatchObject({ code: 'rate_limited', extra: { retryAfterSeconds: 60 } });
    await expect(enter('public')).rejects.toMatchObject({ code: 'rate_limited' });
    await expect(enter('operator', key)).resolves.toMatchObject({ name: 'operator' });
    expect(headers['ratelimit']).toBe('"key";r=1;t=60, "address";r=4;t=60');
  });

  it('ends with the window of the address, however many keys are used from it', async () => {
    for (let round = 0; round < 5; round++) await enter('operator', await keyOf('operator'));
    await expect(enter('operator', await keyOf('operator'))).rejects.toMatchObject({
      code: 'rate_limited',
      extra: { retryAfterSeconds: 60 },
    });
    expect(headers['ratelimit']).toBe('"address";r=0;t=60');
    await expect(enter('public')).resolves.toBeUndefined();
  });

  it('lets a good key in from elsewhere while one address guesses (A10)', async () => {
    const key = await keyOf('operator');
    for (let round = 0; round < 100; round++) await enter('operator', generateKey().text).catch(() => undefined);
    await expect(enter('operator', key, { address: '203.0.113.5' })).resolves.toMatchObject({ name: 'operator' });
  });

  it('is role before the key window: what is forbidden costs the key nothing', async () => {
    const key = await keyOf('readonly');
    for (let round = 0; round < 3; round++) await expect(enter('admin', key)).rejects.toMatchObject({ code: 'forbidden' });
    await enter('readonly', key);
    expect(headers).toEqual({ 'ratelimit-policy': '"key";q=2;w=60, "address";q=5;w=60', ratelimit: '"key";r=1;t=60, "address";r=1;t=60' });
  });

  it('ends with the key window, wherever the key is used from', async () => {
    const key = await keyOf('operator');
    await enter('operator', key, { address: '203.0.113.1' });
    await enter('operator', key, { address: '203.0.113.2' });
    await expect(enter('operator', key, { address: '203.0.113.3' })).rejects.toMatchObject({
      code: 'rate_limited',
      extra: { retryAfterSeconds: 60 },
    });
    expect(headers['ratelimit']).toBe('"key";r=0;t=60, "address";r=4;t=60');
  });
});

describe('a gate that is broken', () => {
  it('lets nobody through when the counter fails', async () => {
    const key = await keyOf('admin');
    gate = gateWith(new BrokenCounter());
    await expect(enter('readonly', key)).rejects.toThrow('counter is gone');
    await expect(enter('public')).rejects.toThrow('counter is gone');
  });
});
