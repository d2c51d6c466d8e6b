import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { passagesOf } from './passages.js';

const squeezed = (text: string) => text.replaceAll(/\s/g, '');

describe('cutting a text into passages', () => {
  it('cuts at headings and names those that a passage stands under', () => {
    const passages = passagesOf('intro\n# One\nfirst\n## Two #\nsecond\n# Three\nthird\n', true);
    expect(passages).toEqual([
      { heading: '', line: 1, text: 'intro' },
      { heading: 'One', line: 3, text: 'first' },
      { heading: 'One › Two', line: 5, text: 'second' },
      { heading: 'Three', line: 7, text: 'third' },
    ]);
  });

  it('takes no comment in a block of code for a heading', () => {
    const [passage, ...others] = passagesOf('# One\n```sh\n# a comment\nls\n```\nafter\n', true);
    expect(passage?.text).toBe('```sh\n# a comment\nls\n```\nafter');
    expect(others).toEqual([]);
  });

  it('knows no headings in plain text', () => {
    expect(passagesOf('# one\ntwo', false)).toEqual([{ heading: '', line: 1, text: '# one\ntwo' }]);
  });

  it('loses no character of the text and makes no passage too long to read', () => {
    const line = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 3_000 }), fc.constant(''));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 40 }), (lines) => {
        const text = lines.join('\n');
        const passages = passagesOf(text, false);
        expect(squeezed(passages.map((passage) => passage.text).join(''))).toBe(squeezed(text));
        for (const passage of passages) expect(passage.text.length).toBeLessThanOrEqual(1_200);
      }),
      { numRuns: 100 },
    );
  });
});
