import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { exceedsDepth } from './body-parser.js';

function depthOf(value: unknown): number {
  return typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
}

describe('the depth of a text', () => {
  it('is that of its value, whatever its strings hold', () => {
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'large' },
        fc.string(),
        fc.constantFrom('[[', '{"', '\\"[', '\\\\', ']'),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.string(), tie('value'), { maxKeys: 3 }),
      ),
    }));
    fc.assert(
      fc.property(value, fc.boolean(), (json, spaced) => {
        const [text, depth] = [JSON.stringify(json, null, spaced ? 2 : 0), depthOf(json)];
        expect(exceedsDepth(text, depth)).toBe(false);
        if (depth > 0) expect(exceedsDepth(text, depth - 1)).toBe(true);
      }),
    );
  });

  it('is found in one pass of a text that is no JSON, too', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof exceedsDepth(text, 3) === 'boolean'));
    expect(exceedsDepth('['.repeat(1_000_000), 32)).toBe(true);
    expect(exceedsDepth(`"${'['.repeat(100)}`, 32)).toBe(false);
    expect(exceedsDepth(']'.repeat(100) + '['.repeat(100), 32)).toBe(false);
  });
});
