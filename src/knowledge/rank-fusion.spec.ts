import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { fuseRanks } from './rank-fusion.js';

describe('reciprocal rank fusion', () => {
  it('prefers what is high in both lists, then what is highest in one', () => {
    expect(
      fuseRanks(
        [
          [1, 2, 3],
          [3, 4],
        ],
        10,
      ),
    ).toEqual([
      { id: 3, score: 1 / 63 + 1 / 61, isIn: [true, true] },
      { id: 1, score: 1 / 61, isIn: [true, false] },
      { id: 2, score: 1 / 62, isIn: [true, false] },
      { id: 4, score: 1 / 62, isIn: [false, true] },
    ]);
  });

  it('gives each once, in order, and leaves none out that has room', () => {
    const list = fc.uniqueArray(fc.nat(20));
    fc.assert(
      fc.property(list, list, fc.nat(30), (one, other, limit) => {
        const fused = fuseRanks([one, other], limit);
        const all = new Set([...one, ...other]);
        expect(new Set(fused.map(({ id }) => id)).size).toBe(Math.min(limit, all.size));
        expect(fused.map(({ score }) => score)).toEqual(fused.map(({ score }) => score).toSorted((a, b) => b - a));
        for (const { id, isIn } of fused) expect(isIn).toEqual([one.includes(id), other.includes(id)]);
      }),
    );
  });
});
