import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from './audit.js';

const name = fc.oneof(fc.string({ unit: 'binary', maxLength: 3 }), fc.constantFrom('10', '9', '00', '__proto__', 'toJSON', 'é', 'ａ'));
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    fc.jsonValue({ maxDepth: 0 }),
    fc.string({ unit: 'binary' }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.uniqueArray(fc.tuple(name, tie('value')), { selector: ([key]) => key, maxLength: 20 }).map(Object.fromEntries),
  ),
}));

describe('the canonical text of data', () => {
  it('is JSON of it with keys by code unit, however they were put in', () => {
    fc.assert(
      fc.property(value, (data) => {
        expect(canonicalJson(data)).toBe(plainly(data));
        expect(canonicalJson(reversed(data))).toBe(plainly(data));
      }),
      { examples: [[{ b: [{ d: 1, c: 2 }], a: '' }]] },
    );
  });

  it('leaves out what JSON has no word for', () => {
    const none = (): undefined => undefined;
    expect(canonicalJson({ b: undefined, a: [undefined, none], c: none, 1: none })).toBe('{"a":[null,null]}');
    expect(canonicalJson(undefined)).toBe('null');
  });
});

/** The same, one step after the other. */
function plainly(data: unknown): string {
  if (data === null || typeof data !== 'object') return JSON.stringify(data);
  if (Array.isArray(data)) return `[${data.map(plainly).join(',')}]`;
  const fields = Object.entries(data).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${fields.map(([key, item]) => `${JSON.stringify(key)}:${plainly(item)}`).join(',')}}`;
}

function reversed(data: unknown): unknown {
  if (data === null || typeof data !== 'object' || Array.isArray(data)) return data;
  return Object.fromEntries(Object.entries(data).reverse());
}
