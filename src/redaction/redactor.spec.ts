import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { REDACTION_KINDS, maskOf } from './masks.js';
import { redactText } from './redact-text.js';
import { createRedactor } from './redact-text.js';
import { secretForms } from './secret-forms.js';

const mixed = (length: number): string => 'a1B2c3D4e5F6g7H8i9J0'.repeat(8).slice(0, length);
const GITHUB = 'ghp_' + mixed(36);
const PEM_BEGIN = '-----BEGIN ' + 'RSA PRIVATE KEY-----';
const PEM_END = '-----END ' + 'RSA PRIVATE KEY-----';
const SECRETS = ['hunter2!', 'secret', 'aaaa', 'abcabcabc', 'p"\\/ &é\nz', 'redacted', ' pass word ', '«xy»'];

const TOKENS = [
  GITHUB,
  'github_pat_' + mixed(30),
  'slp_' + mixed(12) + '_' + mixed(38),
  'AKIA' + 'IOSFODNN7EXAMPLE',
  'SecretAccessKey": "' + mixed(40),
  'Authorization: Bearer ' + mixed(10),
  'Bearer ' + mixed(30),
  'xoxb-123456789012-' + mixed(10),
  PEM_BEGIN,
  PEM_END,
  `${PEM_BEGIN}\nMIIE\n${PEM_END}`,
];
const NUMBERS = [
  '123-45-6789',
  'SSN 123 45 6789',
  'ssn:123456789',
  '4111 1111 1111 1111',
  '4111111111111111',
  '4111-1111-1111-1111',
  '3782 822463 10005',
];
const ADDRESSES = ['a.b@example.com', 'git@github.com:org/repo', 'a@b.co:foo/', '@x.com'];
const BEGINNINGS = ['order ', 'orderId: ', 'Bearer ', 'Authorization: ', 'ghp_', '-----', '«redacted:secret»', '«redacted:email»', '«reda'];
const SEPARATORS = ['«', '»', '\n', '\r\n', ' ', '-', '.', '..', ':', '/', '//', '@', '_', '=', '"', '\\n', '%3D', '%20'];
const FILLERS = ['1234', '1111', '7', 'x', 'é', '日', '😀', 'abc', 'x'.repeat(70), 'a'.repeat(60), '5'.repeat(12)];
/** Tokens, what surrounds and interrupts them, and what makes boundaries difficult. */
const FRAGMENTS = [...TOKENS, ...NUMBERS, ...ADDRESSES, ...BEGINNINGS, ...SEPARATORS, ...FILLERS];

const cut = (text: string, at: number, length: number): string => text.slice(at % text.length, (at % text.length) + length);
const fragment = fc.constantFrom(...FRAGMENTS);
const form = fc.constantFrom(...secretForms(SECRETS));
const wrapped = fc.tuple(form, fc.nat(30), fc.constantFrom('\n', '\r\n')).map(([text, at, lineEnd]) => {
  const head = text.slice(0, at % text.length);
  return `\n${'.'.repeat(76 - head.length)}${head}${lineEnd}${text.slice(head.length)}`;
});
const piece = fc.oneof(
  { weight: 5, arbitrary: fragment },
  { weight: 3, arbitrary: form },
  { weight: 1, arbitrary: wrapped },
  { weight: 2, arbitrary: fc.tuple(fc.oneof(fragment, form), fc.nat(60), fc.nat(60)).map(([text, at, length]) => cut(text, at, length)) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 6 }) },
);
const document = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(''));
const sizes = fc.oneof(fc.constant([1]), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }));
const secretLists = fc.constantFrom([], SECRETS);

/** Splits into pieces of these sizes, over and over. */
function split<T extends string | Uint8Array>(whole: T, lengths: readonly number[]): T[] {
  const parts: T[] = [];
  for (let at = 0, turn = 0; at < whole.length; turn += 1) {
    const length = lengths[turn % lengths.length] ?? 1;
    parts.push(whole.slice(at, at + length) as T);
    at += length;
  }
  return parts;
}

function redactParts(parts: readonly string[], secrets: readonly string[] = []): string {
  const redactor = createRedactor({ secrets });
  return parts.map((part) => redactor.push(part)).join('') + redactor.end();
}

describe('the redactor, whatever the chunks', () => {
  it('gives the same text for any split as for the whole', () => {
    fc.assert(
      fc.property(document, sizes, secretLists, (text, lengths, secrets) => {
        expect(redactParts(split(text, lengths), secrets)).toBe(redactText(text, secrets).text);
      }),
      { numRuns: 1_000 },
    );
  });

  it('gives the same text for any split of the bytes, inside UTF-8 sequences and CRLF and with broken ones', () => {
    const bytes = fc
      .array(
        fc.oneof(
          { weight: 4, arbitrary: document.map((text) => Buffer.from(text)) },
          { weight: 1, arbitrary: fc.uint8Array({ maxLength: 6 }) },
        ),
        { maxLength: 5 },
      )
      .map((parts) => Buffer.concat(parts));
    fc.assert(
      fc.property(bytes, sizes, secretLists, (whole, lengths, secrets) => {
        const redactor = createRedactor({ secrets });
        const output = split(whole, lengths).map((part) => redactor.pushBytes(part));
        expect(output.join('') + redactor.end()).toBe(
          redactText(new TextDecoder('utf-8', { ignoreBOM: true }).decode(whole), secrets).text,
        );
      }),
      { numRuns: 1_000 },
    );
  });

  it('never lets a piece of output end within a character', () => {
    const redactor = createRedactor({ secrets: ['😀😁😂'] });
    const output = split(Buffer.from('a😀b😀😁c😀😁😂d'), [1]).map((part) => redactor.pushBytes(part));
    expect(output.every((part) => part.isWellFormed())).toBe(true);
    expect(output.join('') + redactor.end()).toBe('a😀b😀😁c«redacted:secret»d');
  });

  it('masks a token split at each of its places', () => {
    const text = `before ${GITHUB} after`;
    for (let at = 0; at <= text.length; at += 1) {
      expect(redactParts([text.slice(0, at), text.slice(at)])).toBe('before «redacted:github_token» after');
    }
  });

  it('masks a private key of any length', () => {
    const body = `${mixed(64)}\n`.repeat(50_000);
    const parts = split(`a\n${PEM_BEGIN}\n${body}${PEM_END}\nb\n`, [4_096]);
    expect(redactParts(parts)).toBe('a\n«redacted:private_key»\nb\n');
  });
});

describe('the redactor, once more over its own output', () => {
  it('changes nothing and counts nothing', () => {
    fc.assert(
      fc.property(document, secretLists, (text, secrets) => {
        const once = redactText(text, secrets).text;
        expect(redactText(once, secrets)).toEqual({ text: once, count: 0 });
      }),
      { numRuns: 1_000 },
    );
  });

  it.each(REDACTION_KINDS)('leaves a mask of %s alone, even when its words are secrets', (kind) => {
    const mask = maskOf(kind);
    expect(redactText(`a ${mask} b`, ['redacted', kind, `${kind}»`])).toEqual({ text: `a ${mask} b`, count: 0 });
  });
});

describe('the redactor, live', () => {
  it.each([
    'plain line\n',
    'mail alice@example.com\n',
    'took 15 ms, 4111 1111\n',
    'Password: ',
    'Continue? [y/N] ',
    '50%\r',
    'Working..... ',
  ])('lets go of %j at once', (text) => {
    expect(createRedactor({ secrets: ['hunter2!'] }).push(text)).toBe(redactText(text).text);
  });

  it('holds back of an unfinished line no more than a last word', () => {
    const redactor = createRedactor();
    expect(redactor.push('first second.th')).toBe('first ');
    expect(redactor.push('ird\nx')).toBe('second.third\n');
    expect(redactor.end()).toBe('x');
  });

  it('holds back the beginning of a secret and lets go when it turns out to be none', () => {
    const redactor = createRedactor({ secrets: ['open sesame'] });
    expect(redactor.push('say open ')).toBe('say ');
    expect(redactor.push('the door\n')).toBe('open the door\n');
  });

  it('shows the mask of a private key as soon as its header is complete', () => {
    const redactor = createRedactor();
    expect(redactor.push(`a ${PEM_BEGIN}\n`)).toBe('a «redacted:private_key»');
    expect(redactor.push(`${mixed(64)}\n`)).toBe('');
    expect(redactor.push(`${PEM_END}\nb\n`)).toBe('\nb\n');
  });

  it('reports every mask with its kind', () => {
    const kinds: string[] = [];
    const redactor = createRedactor({ secrets: ['hunter2!'], onRedaction: (kind) => kinds.push(kind) });
    redactor.push(`hunter2! alice@example.com ${GITHUB} «redacted:ssn»\n`);
    redactor.end();
    expect(kinds.sort()).toEqual(['email', 'github_token', 'secret']);
  });
});

describe('the redactor, on hostile input', () => {
  const repeat = (unit: string): string => unit.repeat(Math.ceil(1_000_000 / unit.length));

  it.each([
    '4',
    '@',
    'a@',
    'a@a.a.',
    'Bearer ',
    '-----BEGIN ',
    '-',
    '4111 ',
    '«redacted:',
    '123-45-678',
    'ghp_',
    'secret_access_key=,,',
    `${'a'.repeat(64)}@`,
    'a@b.co:xxxxxxxx',
  ])('takes linear time over a megabyte of %j', (unit) => {
    const text = repeat(unit);
    expect(redactParts(split(text, [65_536]))).toBe(redactText(text).text);
  });

  it('takes linear time over a line of ten megabytes', () => {
    const text = `${'0123456789abcdef'.repeat(640_000)} alice@example.com\n`;
    expect(redactParts(split(text, [65_536]))).toBe(text.replace('alice@example.com', '«redacted:email»'));
  });

  it('takes linear time when the text almost is the secret, everywhere', () => {
    const text = 'a'.repeat(2_000_000);
    expect(redactText(text, [`${'a'.repeat(5_000)}b`])).toEqual({ text, count: 0 });
    expect(redactText(text, ['a'.repeat(5_000)])).toEqual({ text: '«redacted:secret»', count: 1 });
  });

  it('does not hold a long secret-free stretch in memory', () => {
    const redactor = createRedactor({ secrets: ['aaaa'] });
    const released = split('a'.repeat(100_000), [1_000]).map((part) => redactor.push(part).length);
    expect(released.reduce((sum, length) => sum + length, 0)).toBe('«redacted:secret»'.length);
    expect(redactor.push('b\n')).toBe('b\n');
  });
});
