import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GatewayError } from '../domain/errors.js';
import { parseIdempotencyKey } from './idempotency-key.js';

const LONGEST = 'k'.repeat(255);

describe('Idempotency-Key', () => {
  it.each([
    [undefined, undefined],
    ['8e03978e-40d5-43e8-bc93-6894a57f9324', '8e03978e-40d5-43e8-bc93-6894a57f9324'],
    ['"8e03978e-40d5-43e8-bc93-6894a57f9324"', '8e03978e-40d5-43e8-bc93-6894a57f9324'],
    ['!~', '!~'],
    ['a,b;c="d"', 'a,b;c="d"'],
    [String.raw`a\b`, String.raw`a\b`],
    [String.raw`"a\"b\\c"`, String.raw`a"b\c`],
    [LONGEST, LONGEST],
    [`"${LONGEST}"`, LONGEST],
    [`"${String.raw`\"`.repeat(255)}"`, '"'.repeat(255)],
  ])('%j names %j', (header, key) => {
    expect(parseIdempotencyKey(header)).toBe(key);
  });

  it.each([
    '',
    '""',
    '"',
    '"a',
    '"a"b"',
    String.raw`"a\"`,
    String.raw`"\a"`,
    '"a";b=1',
    '"a", "b"',
    'a, b',
    'a b',
    '"a b"',
    ' a',
    'a\n',
    'a\tb',
    'a\u007f',
    'a\0',
    'ä',
    'a\u{1f511}',
    `${LONGEST}k`,
    `"${LONGEST}k"`,
  ])('refuses %j and does not repeat it', (header) => {
    const refusal = refusalOf(header);
    expect(refusal).toMatchObject({ code: 'invalid_request', extra: { errors: [{ path: 'Idempotency-Key' }] } });
    if (header.length > 2) expect(JSON.stringify([refusal.message, refusal.extra])).not.toContain(JSON.stringify(header).slice(1, -1));
  });

  it('takes every key that it may, bare or quoted, as the same one', () => {
    const visible = fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)), minLength: 1 });
    fc.assert(
      fc.property(visible, (key) => {
        expect(parseIdempotencyKey(`"${key.replace(/["\\]/g, (mark) => `\\${mark}`)}"`)).toBe(key);
        if (!key.startsWith('"')) expect(parseIdempotencyKey(key)).toBe(key);
      }),
    );
  });

  it('gives a key of visible characters or a refusal, whatever the header says', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (header) => {
        try {
          expect(parseIdempotencyKey(header)).toMatch(/^[!-~]{1,255}$/);
        } catch (error) {
          if (!(error instanceof GatewayError)) throw error;
        }
      }),
    );
  });
});

function refusalOf(header: string): GatewayError {
  try {
    parseIdempotencyKey(header);
  } catch (error) {
    if (error instanceof GatewayError) return error;
  }
  throw new Error('it was taken');
}
