import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createRedactor, redactText } from './redact-text.js';

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
