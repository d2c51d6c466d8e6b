import { beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../test/kit/manual-clock.js';
import { MemoryKeyStore } from '../../test/kit/memory-key-store.js';
import type { GatewayError } from '../domain/errors.js';
import { AuthObserver } from './auth-observer.js';
import { Authenticator } from './authenticator.js';
import { formatKey, generateKey } from './key-format.js';
import { KeyService } from './key.service.js';
import { LOCAL_PRINCIPAL } from './local-principal.js';

class Notes extends AuthObserver {
  readonly failures: string[] = [];
  readonly touchFailures: unknown[] = [];

  authFailed(reason: string): void {
    this.failures.push(reason);
  }
  rateLimited(): void {}
  watchFailed(): void {}
  touchFailed(error: unknown): void {
    this.touchFailures.push(error);
  }
}

const manager = { principal: LOCAL_PRINCIPAL, requestId: 'req_test' };
let store: MemoryKeyStore;
let clock: ManualClock;
let notes: Notes;
let keys: KeyService;
let authenticator: Authenticator;

beforeEach(() => {
  store = new MemoryKeyStore();
  clock = new ManualClock();
  notes = new Notes();
  keys = new KeyService(store, store.db, store.audit, clock);
  authenticator = new Authenticator(store, store.db, clock, notes);
});

const newKey = (expiresIn?: number) => keys.create({ name: 'ci', role: 'operator', scopes: ['git.*'], expiresIn }, manager);
const refusalOf = (...rawHeaders: string[]) =>
  authenticator.authenticate(rawHeaders, '192.0.2.1').then(
    () => 'let in' as const,
    ({ code, message, extra }: GatewayError) => ({ code, message, extra }),
  );

describe('a valid key', () => {
  it.each([
    ['X-API-Key', ''],
    ['x-api-key', ''],
    ['Authorization', 'Bearer '],
    ['authorization', 'bearer  '],
  ])('is taken from %s with "%s" in front', async (header, scheme) => {
    const { text, key } = await newKey();
    await expect(authenticator.authenticate(['Host', 'here', header, scheme + text], '192.0.2.1')).resolves.toEqual({
      id: key.id,
      name: 'ci',
      role: 'operator',
      scopes: ['git.*'],
      address: '192.0.2.1',
      generation: 0,
    });
    expect(notes.failures).toEqual([]);
  });

  it('has its use written at most once a minute', async () => {
    const { text, key } = await newKey();
    const use = () => authenticator.authenticate(['X-API-Key', text], '192.0.2.1');
    const touches = () => store.commits.flat().filter(({ kind }) => kind === 'key.touch').length;
    await Promise.all(Array.from({ length: 100 }, use));
    expect(touches()).toBe(1);
    clock.advance(59_999);
    await use();
    expect(touches()).toBe(1);
    clock.advance(1);
    await use();
    expect(touches()).toBe(2);
    expect(store.keys.get(key.id)?.lastUsedAt).toBe('2026-01-01T00:01:00.000Z');
  });

  it('opens the door although its use cannot be written, and the failure is told', async () => {
    const { text } = await newKey();
    store.failure = new Error('disk full');
    await expect(authenticator.authenticate(['X-API-Key', text], '192.0.2.1')).resolves.toMatchObject({ name: 'ci' });
    await new Promise(setImmediate);
    expect(notes.touchFailures).toEqual([store.failure]);
  });
});

describe('a key that is not valid', () => {
  it('looks the same whether it is unknown, wrong, revoked or expired (T30)', async () => {
    const wrong = await newKey();
    const revoked = await newKey();
    const expired = await newKey(1_000);
    await keys.revoke(revoked.key.id, manager);
    clock.advance(1_000);
    const refusals = [
      await refusalOf('X-API-Key', generateKey().text),
      await refusalOf('X-API-Key', formatKey({ id: wrong.key.id, secret: generateKey().secret })),
      await refusalOf('X-API-Key', revoked.text),
      await refusalOf('X-API-Key', expired.text),
    ];
    expect(notes.failures).toEqual(['unknown', 'wrong', 'revoked', 'expired']);
    expect(refusals[0]).toMatchObject({ code: 'unauthenticated' });
    for (const refusal of refusals) expect(refusal).toEqual(refusals[0]);
  });

  it('tells nothing about a revoked key to somebody who has not its secret', async () => {
    const { key } = await newKey();
    await keys.revoke(key.id, manager);
    await refusalOf('X-API-Key', formatKey({ id: key.id, secret: generateKey().secret }));
    expect(notes.failures).toEqual(['wrong']);
  });

  it('causes no lookup when its checksum is wrong', async () => {
    const { text } = await newKey();
    const before = store.lookups.length;
    await refusalOf('X-API-Key', text.slice(0, -1) + (text.endsWith('0') ? '1' : '0'));
    expect(store.lookups.length).toBe(before);
    expect(notes.failures).toEqual(['malformed']);
  });

  it('is never repeated in the refusal', async () => {
    const { text, secret } = generateKey();
    expect(JSON.stringify(await refusalOf('X-API-Key', text))).not.toContain(secret);
    expect(JSON.stringify(await refusalOf('X-API-Key', `${text}x`))).not.toContain(secret);
  });
});

describe('a request that cannot be read in one way only', () => {
  it('is refused with the same valid key in both headers, or twice in one', async () => {
    const { text } = await newKey();
    for (const headers of [
      ['X-API-Key', text, 'Authorization', `Bearer ${text}`],
      ['X-API-Key', text, 'x-api-key', text],
      ['Authorization', `Bearer ${text}`, 'AUTHORIZATION', `Bearer ${text}`],
      ['X-API-Key', text, 'Authorization', 'Basic eDp5'],
    ]) {
      await expect(refusalOf(...headers)).resolves.toMatchObject({ code: 'unauthenticated', message: 'Send one API key, in one header.' });
    }
  });

  it('is refused without a key, with an empty one, and with another scheme', async () => {
    await refusalOf('Host', 'X-API-Key');
    await refusalOf('X-API-Key', '');
    await refusalOf('Authorization', 'Basic eDp5');
    await refusalOf('Authorization', 'Bearer');
    expect(notes.failures).toEqual(['missing', 'malformed', 'malformed', 'malformed']);
  });
});
