import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GatewayError } from '../domain/errors.js';
import { redactText } from './redact-text.js';
import { createRedactor } from './redact-text.js';
import { LONGEST_SECRETS, secretForms } from './secret-forms.js';

const SECRET = 'p@ss/w+rd "é\\>&\'!~ x';
const bytes = Buffer.from(SECRET);
const MASK = '«redacted:secret»';

/** The secret as programs print it; `aligned` encodes it with so many bytes before and after. */
const aligned = (before: number, after: number): string =>
  Buffer.from(`${'x'.repeat(before)}${SECRET}${'y'.repeat(after)}`).toString('base64');
const ENCODINGS: Record<string, string> = {
  raw: SECRET,
  base64: bytes.toString('base64'),
  'base64 without padding': bytes.toString('base64').replaceAll('=', ''),
  base64url: bytes.toString('base64url'),
  hex: bytes.toString('hex'),
  'hex in capitals': bytes.toString('hex').toUpperCase(),
  'URL encoding': encodeURIComponent(SECRET),
  'URL encoding in small letters': encodeURIComponent(SECRET).replace(/%../g, (escape) => escape.toLowerCase()),
  'URL encoding with a bare slash': encodeURIComponent(SECRET).replace('%2F', '/'),
  'URL encoding of everything reserved': encodeURIComponent(SECRET).replace("'", '%27').replace('!', '%21'),
  'form encoding': new URLSearchParams({ a: SECRET }).toString().slice(2),
  JSON: JSON.stringify(SECRET).slice(1, -1),
  'JSON in ASCII': JSON.stringify(SECRET).slice(1, -1).replace('é', '\\u00e9'),
  'JSON of PHP': JSON.stringify(SECRET).slice(1, -1).replace('/', '\\/'),
  'JSON of Go': JSON.stringify(SECRET).slice(1, -1).replace('>', '\\u003e').replace('&', '\\u0026'),
};

describe('a declared secret', () => {
  it.each(Object.entries(ENCODINGS))('is masked in %s, whole', (_name, encoded) => {
    expect(redactText(`(${encoded})`, [SECRET])).toEqual({ text: `(${MASK})`, count: 1 });
  });

  it.each(Object.entries(ENCODINGS))('is masked in %s, split at each of its places', (_name, encoded) => {
    for (let at = 0; at <= encoded.length; at += 1) {
      const redactor = createRedactor({ secrets: [SECRET] });
      expect(redactor.push(`(${encoded.slice(0, at)}`) + redactor.push(`${encoded.slice(at)})`) + redactor.end()).toBe(`(${MASK})`);
    }
  });

  it('is masked inside longer base64 at all three alignments', () => {
    for (const [before, after] of [0, 1, 2, 3, 4, 5].flatMap((x) => [0, 1, 2].map((y) => [x, y] as const))) {
      const { text, count } = redactText(aligned(before, after), [SECRET]);
      expect(count).toBe(1);
      const [head = '', tail = ''] = text.split(MASK);
      expect(head.length).toBe(Math.ceil((before * 8) / 6));
      expect(tail.replaceAll('=', '').length).toBeLessThanOrEqual(Math.ceil((after * 8 + 4) / 6));
    }
  });

  it.each([
    [60, '\n'],
    [64, '\n'],
    [76, '\n'],
    [76, '\r\n'],
  ])('is masked in base64 that is wrapped at column %i', (columns, lineEnd) => {
    for (let before = 0; before < 120; before += 1) {
      const lines = aligned(before, 90).match(new RegExp(`.{1,${columns}}`, 'g')) ?? [];
      const { text, count } = redactText(lines.join(lineEnd), [SECRET]);
      expect(count).toBe(1);
      expect(text.replaceAll(lineEnd, '').split(MASK)[0]).toHaveLength(Math.ceil((before * 8) / 6));
    }
  });

  it('leaves no form of itself in any text', () => {
    const secret = fc
      .string({ unit: 'grapheme', minLength: 4, maxLength: 24 })
      .filter((value) => !value.includes('«') && value.length >= 4);
    fc.assert(
      fc.property(secret, fc.array(fc.nat(1_000)), fc.string(), (value, picks, glue) => {
        const forms = secretForms([value]);
        const text = picks.map((pick) => forms[pick % forms.length]).join(glue);
        const rest = redactText(text, [value]).text.split(MASK);
        for (const form of forms) expect(rest.some((part) => part.includes(form))).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('leaves nothing of itself beside the mask when it overlaps itself or another', () => {
    expect(redactText('-ababab-', ['abab']).text).toBe(`-${MASK}-`);
    expect(redactText('-abcdefgh-', ['cdef', 'abcd', 'efgh']).text).toBe(`-${MASK}-`);
    expect(redactText('-abcdxyz-', ['bcdx', 'abcdxyz']).text).toBe(`-${MASK}-`);
  });

  it('is masked without the white space around it too', () => {
    expect(redactText('key=hunter2!;', ['hunter2!\n']).text).toBe(`key=${MASK};`);
  });

  it('is masked over its own line ends', () => {
    expect(redactText('a\nfirst\nsecond\nb', ['first\nsecond']).text).toBe(`a\n${MASK}\nb`);
  });

  it('keeps line ends that are not part of it', () => {
    const line = `${'.'.repeat(68)}hunter2!`;
    expect(redactText(`${line}\nnext\n`, ['hunter2!']).text).toBe(`${'.'.repeat(68)}${MASK}\nnext\n`);
    expect(redactText('hun\nter2!', ['hunter2!']).text).toBe('hun\nter2!');
  });

  it('is left alone when it has fewer than four characters', () => {
    expect(redactText('abc abc', ['abc', '', 'a'])).toEqual({ text: 'abc abc', count: 0 });
  });

  it('comes before the shapes: what is left of a token is judged anew', () => {
    expect(redactText('hunter2!alice@example.com', ['hunter2!']).text).toBe(`${MASK}«redacted:email»`);
    expect(redactText('alice@example.com', ['alice']).text).toBe(`${MASK}@example.com`);
  });

  it('is refused when it is too long to be masked', () => {
    expect(() => createRedactor({ secrets: ['x'.repeat(LONGEST_SECRETS)] })).not.toThrow();
    expect(() => createRedactor({ secrets: ['x'.repeat(LONGEST_SECRETS), 'more'] })).toThrow(GatewayError);
  });
});
