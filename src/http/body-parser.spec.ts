import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { countMembers } from './body-parser.js';

function depthOf(value: unknown): number {
  return typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
}

/** Members of all objects, counted in the value. */
function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inner = Object.values(value);
  return (Array.isArray(value) ? 0 : inner.length) + inner.reduce((sum: number, one) => sum + membersOf(one), 0);
}

describe('the depth and the members of a text', () => {
  it('are those of its value, whatever its strings hold', () => {
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'large' },
        fc.string(),
        fc.constantFrom('[[', '{"', '\\"[', '\\\\', ']', '":'),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.string(), tie('value'), { maxKeys: 3 }),
      ),
    }));
    fc.assert(
      fc.property(value, fc.boolean(), (json, spaced) => {
        const [text, depth] = [JSON.stringify(json, null, spaced ? 2 : 0), depthOf(json)];
        expect(countMembers(text, depth)).toBe(membersOf(json));
        if (depth > 0) expect(countMembers(text, depth - 1)).toBe('too deep');
      }),
    );
  });

  it('are found in one pass of a text that is no JSON, too', () => {
    fc.assert(fc.property(fc.string(), (text) => ['number', 'string'].includes(typeof countMembers(text, 3))));
    expect(countMembers('['.repeat(1_000_000), 32)).toBe('too deep');
    expect(countMembers(`"${'['.repeat(100)}`, 32)).toBe(0);
    expect(countMembers(']'.repeat(100) + '['.repeat(100), 32)).toBe(0);
  });
});
