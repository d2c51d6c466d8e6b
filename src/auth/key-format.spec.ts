import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatKey, generateKey, hashSecret, isKeyId, isPlaceholder, parseKey } from './key-format.js';

describe('the text of a key', () => {
  it('is read back as what it was made of', () => {
    const { id, secret, text, secretHash } = generateKey();
    expect(text).toMatch(/^slp_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$/);
    expect(parseKey(text)).toEqual({ id, secret });
    expect(isKeyId(id)).toBe(true);
    expect(secretHash).toBe(hashSecret(secret));
    expect(secretHash).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is not accepted with any single character changed', () => {
    const { text } = generateKey();
    for (let index = 0; index < text.length; index++) {
      const other = text[index] === 'x' ? 'y' : 'x';
      expect(parseKey(text.slice(0, index) + other + text.slice(index + 1))).toBeUndefined();
    }
  });

  it('is not accepted with two different neighbours swapped', () => {
    const { text } = generateKey();
    for (let index = 1; index < text.length; index++) {
      const swapped = text.slice(0, index - 1) + text[index] + text[index - 1] + text.slice(index + 1);
      if (swapped !== text) expect(parseKey(swapped)).toBeUndefined();
    }
  });

  it('is not found in hostile text', () => {
    const shaped = fc.stringMatching(/^slp_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}$/);
    fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), shaped), (text) => parseKey(text) === undefined));
    const { text } = generateKey();
    for (const near of [`${text}\n`, ` ${text}`, text.toUpperCase(), text.slice(0, -1), text + text, 'slp_'.repeat(1_000_000)]) {
      expect(parseKey(near)).toBeUndefined();
    }
  });

  it('uses every character of the alphabet about equally often', () => {
    const counts = new Map<string, number>();
    for (let round = 0; round < 2_000; round++)
      for (const character of generateKey().secret) counts.set(character, (counts.get(character) ?? 0) + 1);
    const expected = (2_000 * 32) / 62;
    const chiSquared = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(counts.size).toBe(62);
    // 61 degrees of freedom: one honest run in a hundred million exceeds 150. A byte modulo 62 gives about 270.
    expect(chiSquared).toBeLessThan(150);
  });

  it('has a checksum that others can compute: CRC-32 in base62, padded', () => {
    // crc32('000000000000_' + 'A' × 32) by Python's zlib.
    expect(formatKey({ id: '000000000000', secret: 'A'.repeat(32) }).slice(-6)).toBe('44f4lZ');
  });
});

describe('an example instead of a secret', () => {
  it.each([
    'x'.repeat(32),
    'abcdefghijklmnopqrstuvwxyz012345',
    'k3Jq8ExampleZ0pQ7mN2vB5cX9lK4jH6',
    '0123456789abcdefghijklmnopqrstuv',
    'ABABABABCDCDCDCDEFEFEFEF12121212',
  ])('is recognised: %s', (secret) => expect(isPlaceholder(secret)).toBe(true));

  it('is never what we generate', () => {
    for (let round = 0; round < 2_000; round++) expect(isPlaceholder(generateKey().secret)).toBe(false);
  });
});
