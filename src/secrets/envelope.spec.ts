import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { StoredSecret } from '../domain/secret.js';
import { masterKey, openSecret, rewrapSecret, sealSecret } from './envelope.js';

const master = masterKey(randomBytes(32));
const other = masterKey(randomBytes(32));

function stored(value: string, name = 'TOKEN', version = 1): StoredSecret {
  return { name, version, ...sealSecret(value, { name, version }, master), createdAt: '', updatedAt: '' };
}

describe('a sealed secret', () => {
  it('opens with its master key to the very text, and with no other key', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (value) => {
        const secret = stored(value);
        expect(openSecret(secret, master)).toBe(value.toWellFormed());
        expect(openSecret({ ...secret, keyId: other.id }, other)).toBeUndefined();
      }),
    );
  });

  it('does not open under another name or version, nor with parts of another', () => {
    const [secret, next, stranger] = [stored('first value'), stored('second value', 'TOKEN', 2), stored('third value', 'OTHER')];
    expect(openSecret({ ...secret, name: 'OTHER' }, master)).toBeUndefined();
    expect(openSecret({ ...secret, version: 2 }, master)).toBeUndefined();
    expect(openSecret({ ...next, sealed: secret.sealed }, master)).toBeUndefined();
    expect(openSecret({ ...next, wrappedKey: secret.wrappedKey }, master)).toBeUndefined();
    expect(openSecret({ ...next, sealed: secret.sealed, wrappedKey: secret.wrappedKey }, master)).toBeUndefined();
    expect(openSecret({ ...stranger, name: 'TOKEN' }, master)).toBeUndefined();
  });

  it('does not open when any byte of it was changed, or bytes are missing', () => {
    const secret = stored('some value');
    for (const part of ['wrappedKey', 'sealed'] as const) {
      const bytes = Buffer.from(secret[part], 'base64');
      for (let index = 0; index < bytes.length; index += 1) {
        const changed = Buffer.from(bytes);
        changed[index] = (changed[index] ?? 0) ^ 1;
        expect([index, openSecret({ ...secret, [part]: changed.toString('base64') }, master)]).toEqual([index, undefined]);
        const cut = bytes.subarray(0, index).toString('base64');
        expect([index, openSecret({ ...secret, [part]: cut }, master)]).toEqual([index, undefined]);
      }
    }
  });

  it('is another text each time, and holds the value in no form', () => {
    const value = `canary ${randomBytes(12).toString('hex')}`;
    const [one, two] = [stored(value), stored(value)];
    expect(one.sealed).not.toBe(two.sealed);
    expect(one.wrappedKey).not.toBe(two.wrappedKey);
    const said = `${JSON.stringify(one)}${Buffer.from(one.sealed, 'base64').toString('latin1')}`;
    for (const form of [value, Buffer.from(value).toString('hex'), Buffer.from(value).toString('base64').slice(0, 20)])
      expect(said).not.toContain(form);
  });

  it('goes under another master key without its value, and is of no use to the old one then', () => {
    const secret = stored('some value');
    const rewrapped = rewrapSecret(secret, master, other)!;
    expect(rewrapped.sealed).toBe(secret.sealed);
    expect(rewrapped.keyId).toBe(other.id);
    expect(openSecret(rewrapped, other)).toBe('some value');
    expect(openSecret(rewrapped, master)).toBeUndefined();
    expect(rewrapSecret(secret, other, master)).toBeUndefined();
  });
});

describe('a master key', () => {
  it('goes by a name that follows from it, and is not printed', () => {
    const bytes = randomBytes(32);
    const key = masterKey(bytes);
    expect(masterKey(Buffer.from(bytes)).id).toBe(key.id);
    expect(key.id).toMatch(/^[0-9a-f]{16}$/);
    expect(key.id).not.toBe(other.id);
    const printed = `${inspect(key, { depth: null, showHidden: true })}${JSON.stringify(key)}`;
    for (const form of ['hex', 'base64', 'latin1'] as const) expect(printed).not.toContain(bytes.toString(form));
  });
});
