import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { LineReader } from './line-reader.js';

interface Taken {
  readonly owner: number;
  readonly text: string;
  readonly isWhole: boolean;
}

/** Gives the pieces one after the other, each under an owner of its own: its number. */
function read(pieces: readonly string[], longest: number): Taken[] {
  const taken: Taken[] = [];
  let owner = 0;
  const reader = new LineReader(
    longest,
    () => owner,
    (of, data, isWhole) => void taken.push({ owner: of, text: data.toString('latin1'), isWhole }),
  );
  for (const piece of pieces) {
    reader.push(Buffer.from(piece, 'latin1'));
    owner += 1;
  }
  reader.end();
  return taken;
}

const pieces = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 8 }), { maxLength: 20 });

describe('a line reader', () => {
  it('gives the same lines however they come', () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        const lines = parts
          .join('')
          .split(/(?<=\n)/)
          .filter((line) => line !== '');
        expect(read(parts, 1_000).map(({ text, isWhole }) => [text, isWhole])).toEqual(lines.map((line) => [line, true]));
      }),
    );
  });

  it('loses no byte and holds no more than it may', () => {
    fc.assert(
      fc.property(pieces, fc.nat({ max: 5 }), (parts, longest) => {
        const taken = read(parts, longest);
        expect(taken.map(({ text }) => text).join('')).toBe(parts.join(''));
        const pushed = Math.max(0, ...parts.map(({ length }) => length));
        for (const { text } of taken) expect(text.length).toBeLessThanOrEqual(longest + pushed);
      }),
    );
  });

  it('gives a line to whoever was there at its first byte', () => {
    expect(read(['be', 'gun\nne', 'xt\n'], 100)).toEqual([
      { owner: 0, text: 'begun\n', isWhole: true },
      { owner: 1, text: 'next\n', isWhole: true },
    ]);
  });

  it('says of all pieces of a line that is too long that they are no line', () => {
    expect(read(['abc', 'defg', 'h\nok\n'], 5)).toEqual([
      { owner: 0, text: 'abcdefg', isWhole: false },
      { owner: 0, text: 'h\n', isWhole: false },
      { owner: 2, text: 'ok\n', isWhole: true },
    ]);
  });
});
