import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readEmbeddings } from './embedding-wire.js';

const one = (embedding: unknown, index = 0) => ({ object: 'embedding', index, embedding });

describe('an answer with embeddings', () => {
  it('is read in the order of the texts', () => {
    const read = readEmbeddings({ data: [one([0, 2], 1), one([1, 0], 0)], usage: { prompt_tokens: 7, total_tokens: 7 } }, 2);
    expect(read?.vectors).toEqual([Float32Array.of(1, 0), Float32Array.of(0, 2)]);
    expect(read?.usage).toEqual({ prompt_tokens: 7, completion_tokens: 0 });
  });

  it('may say nothing, or nonsense, of what it took', () => {
    for (const usage of [undefined, null, { prompt_tokens: -1 }, 'much'])
      expect(readEmbeddings({ data: [one([1])], usage }, 1)?.usage).toBeNull();
  });

  it.each<[string, unknown]>([
    ['too few vectors', { data: [one([1])] }],
    ['too many', { data: [one([1]), one([1], 1), one([1], 2)] }],
    ['one twice', { data: [one([1]), one([1])] }],
    ['one of a text that nobody gave', { data: [one([1]), one([1], 4_000_000_000)] }],
    ['vectors of two lengths', { data: [one([1, 0]), one([1], 1)] }],
    ['what is no number', { data: [one([1, 0]), one([1, '0'], 1)] }],
    ['numbers that are too large', { data: [one([1]), one([1e300], 1)] }],
    ['a vector without a direction', { data: [one([1, 0]), one([0, 0], 1)] }],
    ['an empty one', { data: [one([]), one([], 1)] }],
    [
      'one that nobody could keep',
      {
        data: [
          one([1]),
          one(
            Array.from({ length: 100_000 }, () => 1),
            1,
          ),
        ],
      },
    ],
    ['no vectors', { data: [one('AAAA'), one('AAAA', 1)] }],
    ['an error', { error: { message: 'overloaded' } }],
    ['nothing', undefined],
  ])('is none with %s', (_, answer) => {
    expect(readEmbeddings(answer, 2)).toBeUndefined();
  });

  it('is whole or none, whatever comes', () => {
    const data = fc.array(fc.record({ index: fc.nat(3), embedding: fc.array(fc.oneof(fc.double(), fc.constant(null)), { maxLength: 3 }) }));
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.record({ data })), fc.integer({ min: 1, max: 3 }), (answer, count) => {
        const read = readEmbeddings(answer, count);
        if (!read) return;
        expect(read.vectors).toHaveLength(count);
        expect(new Set(read.vectors.map(({ length }) => length)).size).toBe(1);
        for (const vector of read.vectors) expect(Math.hypot(...vector)).toBeGreaterThan(0);
      }),
    );
  });
});
