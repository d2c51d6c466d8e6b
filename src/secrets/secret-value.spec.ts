import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { createRedactor } from '../redaction/redact-text.js';
import { LONGEST_VALUE, nameOf, SHORTEST_VALUE, textsToMask, valueOf } from './secret-value.js';

function redacted(value: string, output: string): string {
  const redactor = createRedactor({ secrets: textsToMask(value) });
  return redactor.push(output) + redactor.end();
}

/** Characters that every encoding writes in another way. */
const spiky = (length: number): string => '+/"ö&% \\'.repeat(length).slice(0, length);

/** Base64 of the value amid other bytes: the characters that no neighbour has a bit in. */
function within(before: string, value: string): string {
  const bits = [before.length, before.length + Buffer.byteLength(value)].map((bytes) => bytes * 8);
  return Buffer.from(`${before}${value}z`)
    .toString('base64')
    .slice(Math.ceil((bits[0] ?? 0) / 6), Math.floor((bits[1] ?? 0) / 6));
}

describe('a value of a secret', () => {
  it('that is too short to be masked is refused, and one that is just long enough is masked in every encoding', () => {
    expect(() => valueOf('x'.repeat(SHORTEST_VALUE - 1))).toThrow('no value of a secret');
    expect(() => valueOf(`  ${'x'.repeat(SHORTEST_VALUE - 1)}\n `)).toThrow('no value of a secret');
    for (const value of [randomBytes(32).toString('base64url').slice(0, SHORTEST_VALUE), `xy${spiky(SHORTEST_VALUE)}z`]) {
      expect(valueOf(value)).toBe(value);
      const bytes = Buffer.from(value);
      const forms = [
        value,
        bytes.toString('base64'),
        bytes.toString('base64url'),
        ...['a', 'ab'].map((before) => within(before, value)),
        bytes.toString('hex'),
        bytes.toString('hex').toUpperCase(),
        encodeURIComponent(value),
        JSON.stringify(value).slice(1, -1),
      ];
      for (const form of forms) expect([form, redacted(value, `before ${form} after`)]).toEqual([form, 'before «redacted:secret» after']);
    }
  });

  it('may be as long as the redactor takes, and no longer', () => {
    const longest = Array.from({ length: 512 }, (_, line) => String(line).padEnd(13, 'x')).join('\n');
    expect(Buffer.byteLength(`${longest}x`)).toBe(LONGEST_VALUE);
    expect(redacted(valueOf(`${longest}x`), longest.slice(0, 13))).toBe('«redacted:secret»');
    expect(() => valueOf(`${longest}xx`)).toThrow('no value of a secret');
    expect(() => valueOf('ü'.repeat(LONGEST_VALUE / 2 + 1))).toThrow('no value of a secret');
  });

  it('is refused with NUL or half a character in it, and never repeated', () => {
    for (const value of ['Canary7Q\0Canary7Q', 'Canary7Q\ud800Canary7Q', 'Can\nry'])
      expect(() => valueOf(value)).toThrow(
        expect.objectContaining({
          message: expect.not.stringContaining('Can'),
          extra: { errors: [{ path: 'value', message: expect.not.stringContaining('Can') }] },
        }),
      );
  });

  it('of several lines is masked line by line too, but for the edges of a PEM block', () => {
    const [one, two] = [randomBytes(24).toString('base64'), randomBytes(24).toString('base64')];
    const edge = '-----BEGIN THING-----';
    const value = `${edge}\n${one}\r\n  ${two}\nshort\n`;
    expect(redacted(value, `${two}\n`)).toBe('«redacted:secret»\n');
    expect(redacted(value, `got ${one}, ${Buffer.from(two).toString('hex')}`)).toBe('got «redacted:secret», «redacted:secret»');
    expect(redacted(value, `${edge} short`)).toBe(`${edge} short`);
  });
});

describe('a name of a secret', () => {
  it.each(['GITHUB_TOKEN', 'A', 'X2', `A${'_'.repeat(63)}`])('may be %s', (name) => expect(nameOf(name)).toBe(name));
  it.each(['', 'token', 'Token', '_A', '2A', 'A-B', 'A B', 'Ä', 'A\n', '__proto__', `A${'_'.repeat(64)}`])('may not be %j', (name) =>
    expect(() => nameOf(name)).toThrow('no name of a secret'),
  );
});
