import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createRedactor, redactText } from './redact-text.js';
import { Redaction } from './redaction.js';

const SECRET = 'correct/horse-9';
const TOKEN = 'gh' + 'p_' + 'a1B2c3D4e5F6g7H8i9J0'.repeat(2).slice(0, 36);
const MASK = /«redacted:[a-z_]+»/;

const escape = fc.oneof(
  fc.constantFrom(
    '\x1b[0m',
    '\x1b[31;1m',
    '\x1b[K',
    '\x1b[2J',
    '\x1b[12;40H',
    '\x9b1m',
    '\x1b(B',
    '\x1b=',
    '\x1b]0;a title\x07',
    '\x1b]8;;http://a.b\x1b\\',
  ),
  fc.constantFrom('\0', '\x07', '\x7f', '\u200b', '\u200d', '\ufeff', '\u00ad', '\u2060', 'x\b', '\x0b'),
);
const interleaved = fc
  .tuple(
    fc.constantFrom(SECRET, TOKEN, 'jane.roe@example.org', '4111 1111 1111 1111'),
    fc.array(fc.tuple(fc.nat(40), escape), { minLength: 1, maxLength: 6 }),
  )
  .map(([secret, insertions]) => {
    const places = insertions.map(([at, text]) => [1 + (at % (secret.length - 1)), text] as const).sort(([a], [b]) => b - a);
    return { secret, text: places.reduce((text, [at, inserted]) => text.slice(0, at) + inserted + text.slice(at), secret) };
  });
const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 8 });

function inPieces(text: string, lengths: readonly number[]): string {
  const redactor = createRedactor({ secrets: [SECRET] });
  const out: string[] = [];
  for (let at = 0, turn = 0; at < text.length; turn += 1) {
    const length = lengths[turn % lengths.length] ?? 1;
    out.push(redactor.push(text.slice(at, at + length)));
    at += length;
  }
  return out.join('') + redactor.end();
}

describe('terminal escapes [R7]', () => {
  it('do not hide a secret that they are interleaved with', () => {
    fc.assert(
      fc.property(
        interleaved,
        sizes,
        fc.constantFrom('', 'a line\n', 'see: '),
        fc.constantFrom('', ' end', '\nnext'),
        ({ text, secret }, lengths, before, after) => {
          const { text: masked, count } = redactText(before + text + after, [SECRET]);
          expect(count).toBe(1);
          expect(masked).toBe(before + (masked.match(MASK)?.[0] ?? secret) + after);
          expect(inPieces(before + text + after, lengths)).toBe(masked);
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each([
    ['password: \x1b[1mhunter2xyz\x1b[0m', 'password: «redacted:password»'],
    ['\x1b[1mpassword\x1b[0m: hunter2xyz', 'password: «redacted:password»'],
    ['{"password": \x1b[0;32m"hunter2xyz"\x1b[1;39m}', '{"password": "«redacted:password»"}'],
    ['SSN: \x1b[38;5;196m123 45 6789\x1b[0m', 'SSN: «redacted:ssn»'],
    ['phone: \x1b[33m4155552671\x1b[0m.', 'phone: «redacted:phone».'],
    ['Authorization: \x1b[1mBearer\x1b[0m \x1b[32mabc123defgh\x1b[0m', 'Authorization: Bearer «redacted:bearer_token»'],
    ['DE89 3704 \x1b[1m0044 0532 0130 00', '«redacted:iban»'],
    [`${'many words '.repeat(50)}password: \x1b[1mhunter2xyz`, `${'many words '.repeat(50)}password: «redacted:password»`],
  ])('do not part a value from what is written before it: %j', (text, masked) => {
    expect(redactText(`first\n${text}\nlast`).text).toBe(`first\n${masked}\nlast`);
    expect(inPieces(text, [1])).toBe(masked);
  });

  it.each(['order \x1b[1m4111111111111111\x1b[0m', 'x4111 1111 1111 1111\0', 'password:\n\x1b[1mhunter2xyz', '1.2.\x1b[1m123-45-6789'])(
    'make nothing a secret that is none without them: %j',
    (text) => {
      expect(redactText(text)).toEqual({ text, count: 0 });
      expect(inPieces(text, [1])).toBe(text);
    },
  );

  it('mask what is left of a declared secret that begins before them', () => {
    expect(redactText('say two words \x1b[1mfor it\x1b[0m', ['two words for it']).text).toBe('say two words «redacted:secret»');
  });

  it('are a reason for a closer look, in JSON too', () => {
    const hidden = `41\x1b[0m11 1111 1111 1111`;
    for (const text of [hidden, JSON.stringify(hidden), 'a\u200bb', JSON.stringify('a\bb')])
      expect(new Redaction().mayMatch(text)).toBe(true);
    expect(new Redaction().mayMatch('C:\\temp and \ttabs\n')).toBe(false);
    expect(redactText(hidden).text).toBe('«redacted:card_number»');
  });

  it('give the same for any split and once more', () => {
    const piece = fc.oneof(
      escape,
      interleaved.map(({ text }) => text),
      fc.constantFrom(' ', '\n', '\r', 'plain', 'a.b', '\x1b', '[', ']', 'password: ', 'x'.repeat(70), 'é', '«redacted:email»'),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), sizes, (pieces, lengths) => {
        const text = pieces.join('');
        const whole = redactText(text, [SECRET]).text;
        expect(inPieces(text, lengths)).toBe(whole);
        expect(redactText(whole, [SECRET])).toEqual({ text: whole, count: 0 });
      }),
      { numRuns: 500 },
    );
  });

  it('stay where there is nothing to mask', () => {
    const text = '\x1b[32mok\x1b[0m 15 tests\n\x1b]0;title\x07\x1b[2K\r50%\0\n';
    expect(redactText(text, [SECRET])).toEqual({ text, count: 0 });
  });

  it('do not carry a secret out in a title, nor in a sequence', () => {
    expect(redactText(`\x1b]0;${SECRET}\x07 \x1b[${TOKEN}\n`, [SECRET]).text).toBe(
      '\x1b]0;«redacted:secret»\x07 \x1b[«redacted:github_token»\n',
    );
  });

  it('hold back no more than a stretch of a line that does not end', () => {
    const redactor = createRedactor({ secrets: [SECRET] });
    const released = Array.from({ length: 20 }, () => redactor.push(`\x1b[0m${'word '.repeat(1_000)}`).length);
    expect(released.reduce((sum, length) => sum + length, 0)).toBeGreaterThan(80_000);
  });

  it('take linear time, however many there are and however long the line', () => {
    for (const unit of ['\x1b[0m', 'a\x1b', '\x1b]', '\x1b]a', '\x1b[1', 'x\b', '\0', 'gh\x1b[0mp_']) {
      const text = unit.repeat(Math.ceil(1_000_000 / unit.length));
      expect(redactText(text, [SECRET]).text.length).toBeGreaterThan(0);
    }
  });
});
