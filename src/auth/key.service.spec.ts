import { beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../test/kit/manual-clock.js';
import { MemoryKeyStore } from '../../test/kit/memory-key-store.js';
import { SettingsError } from '../config/settings.js';
import type { Role } from '../domain/principal.js';
import { type NewKey, newKeySchema, presentCreated, presentKey } from './auth.schemas.js';
import { formatKey, generateKey, hashSecret, parseKey } from './key-format.js';
import { KeyService } from './key.service.js';
import { LOCAL_PRINCIPAL } from './local-principal.js';

const manager = { principal: LOCAL_PRINCIPAL, requestId: 'req_test' };
let store: MemoryKeyStore;
let clock: ManualClock;
let keys: KeyService;

beforeEach(() => {
  store = new MemoryKeyStore();
  clock = new ManualClock();
  keys = new KeyService(store, store.db, store.audit, clock);
});

const create = (role: Role, more: Partial<NewKey> = {}) => keys.create({ name: 'ci', role, scopes: ['*'], ...more }, manager);

describe('making a key', () => {
  it('writes the key and its audit entry in one transaction, and the secret nowhere', async () => {
    const { text, key } = await create('operator', { expiresIn: 3_600_000 });
    const secret = parseKey(text)?.secret ?? '';
    expect(key).toEqual({
      id: parseKey(text)?.id,
      secretHash: hashSecret(secret),
      name: 'ci',
      role: 'operator',
      scopes: ['*'],
      createdAt: '2026-01-01T00:00:00.000Z',
      createdBy: 'local',
      expiresAt: '2026-01-01T01:00:00.000Z',
      revokedAt: null,
      lastUsedAt: null,
      addresses: null,
      rate: null,
      budget: null,
      tokens: null,
      calls: null,
      pins: {},
      parentId: null,
      generation: 0,
      rotatedAt: null,
      previous: null,
    });
    expect(store.commits.map((writes) => writes.map(({ kind }) => kind))).toEqual([['key.insert', 'audit.append']]);
    expect(store.audited).toEqual([
      {
        action: 'key.created',
        principalId: 'local',
        subject: key.id,
        requestId: 'req_test',
        details: { name: 'ci', role: 'operator', scopes: ['*'], expiresAt: key.expiresAt },
      },
    ]);
    expect(JSON.stringify(store.commits)).not.toContain(secret);
  });

  it.each<Partial<NewKey>>([
    { expiresAt: '2026-01-01T00:00:00Z' },
    { expiresAt: '2025-12-31T23:59:59+00:00' },
    { expiresAt: '9999-12-31T23:59:59-12:00' },
    { expiresIn: 0 },
    { expiresIn: Number.MAX_SAFE_INTEGER },
  ])('is refused with %j, which is no end in the near future', async (expiry) => {
    await expect(create('operator', expiry)).rejects.toMatchObject({
      code: 'invalid_request',
      extra: { errors: [{ path: Object.keys(expiry)[0] }] },
    });
    expect(store.commits).toEqual([]);
  });

  it('takes an end in any time zone and stores it in UTC', async () => {
    expect((await create('operator', { expiresAt: '2026-02-01T00:00:00+02:00' })).key.expiresAt).toBe('2026-01-31T22:00:00.000Z');
  });

  it('shows the key itself once and the hash never', async () => {
    const { text, key } = await create('operator');
    expect(presentCreated(text, key).key).toBe(text);
    expect(JSON.stringify([presentCreated(text, key), presentKey(key)])).not.toContain(key.secretHash);
    expect(JSON.stringify(presentKey(key))).not.toContain(parseKey(text)?.secret);
  });
});

describe('what a new key may be', () => {
  it('fills in what is not said', () => {
    expect(newKeySchema.parse({ name: 'Jörg’s laptop', role: 'readonly' })).toEqual({
      name: 'Jörg’s laptop',
      role: 'readonly',
      scopes: ['*'],
    });
    expect(newKeySchema.parse({ name: 'ci', role: 'admin', scopes: ['git.*', '*'], expiresIn: '30d' })).toMatchObject({
      expiresIn: 30 * 86_400_000,
    });
  });

  it.each([
    { name: '' },
    { name: '   ' },
    { name: 'a\u0000b' },
    { name: 'a\nb' },
    { name: 'right\u202eleft' },
    { name: '\ud800' },
    { name: 'x'.repeat(65) },
    { role: 'root' },
    { role: ['admin'] },
    { scopes: [] },
    { scopes: [''] },
    { scopes: ['!git.push'] },
    { scopes: ['{git,docker}.*'] },
    { scopes: ['*a*a*a'] },
    { scopes: ['x'.repeat(65)] },
    { scopes: Array(51).fill('git.*') },
    { expiresIn: 'soon' },
    { expiresAt: '2026-02-30T00:00:00Z' },
    { expiresAt: '2026-02-01' },
    { expiresIn: '1h', expiresAt: '2027-01-01T00:00:00Z' },
    { id: 'mine' },
  ])('is not %j', (wrong) => {
    expect(newKeySchema.safeParse({ name: 'ci', role: 'operator', ...wrong }).success).toBe(false);
  });
});

describe('revoking a key', () => {
  it('writes it with its audit entry, once', async () => {
    const { key } = await create('operator');
    clock.advance(5_000);
    await keys.revoke(key.id, manager);
    await keys.revoke(key.id, manager);
    expect((await keys.find(key.id)).revokedAt).toBe('2026-01-01T00:00:05.000Z');
    expect(store.audited.map(({ action, subject }) => [action, subject])).toEqual([
      ['key.created', key.id],
      ['key.revoked', key.id],
    ]);
  });

  it.each(['nobody', 'AAAAAAAAAAAA', '', '../etc', '\u0000'])('finds no key %j', async (id) => {
    await expect(keys.revoke(id, manager)).rejects.toMatchObject({ code: 'key_unknown' });
    await expect(keys.find(id)).rejects.toMatchObject({ code: 'key_unknown' });
  });

  it('is refused for the last admin key that is alive', async () => {
    const last = await create('admin');
    const expired = await create('admin', { expiresIn: 1_000 });
    await create('operator');
    clock.advance(1_000);
    await expect(keys.revoke(last.key.id, manager)).rejects.toMatchObject({ code: 'conflict' });
    await keys.revoke(expired.key.id, manager);
    await create('admin');
    await expect(keys.revoke(last.key.id, manager)).resolves.toBeUndefined();
  });

  it('leaves one admin key when all are revoked at the same time', async () => {
    const admins = await Promise.all(Array.from({ length: 5 }, () => create('admin')));
    const results = await Promise.allSettled(admins.map(({ key }) => keys.revoke(key.id, manager)));
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
  });

  it('goes on after a revocation that failed', async () => {
    const { key } = await create('operator');
    store.failure = new Error('disk full');
    await expect(keys.revoke(key.id, manager)).rejects.toThrow('disk full');
    store.failure = undefined;
    await expect(keys.revoke(key.id, manager)).resolves.toBeUndefined();
  });
});

describe('the first key of an empty store', () => {
  it('is made and given out once', async () => {
    const first = await keys.bootstrap();
    expect(first).toMatchObject({ kind: 'made' });
    expect(first.kind === 'made' && parseKey(first.text)?.id).toBe((await store.list())[0]?.id);
    expect(await store.list()).toMatchObject([{ role: 'admin', scopes: ['*'], createdBy: 'local' }]);
    expect(store.audited).toMatchObject([{ action: 'key.created', principalId: 'local' }]);
    expect(await keys.bootstrap()).toEqual({ kind: 'not_needed' });
  });

  it('is the one from the settings, which is not given out again', async () => {
    const { text, id, secretHash } = generateKey();
    expect(await keys.bootstrap(text)).toEqual({ kind: 'given', id });
    expect(await store.list()).toMatchObject([{ id, secretHash, role: 'admin' }]);
  });

  it.each(['changeme', formatKey({ id: 'abcdefghijkl', secret: 'x'.repeat(32) })])(
    'is refused when it is no key or an example (T20): %s',
    async (text) => {
      const refusal = await keys.bootstrap(text).catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(SettingsError);
      expect(String(refusal)).toContain('ADMIN_KEY');
      expect(String(refusal)).not.toContain(text);
      expect(await store.list()).toEqual([]);
    },
  );
});
