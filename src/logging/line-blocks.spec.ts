import { describe, expect, it } from '@jest/globals';
import { eventually } from '../../test/kit/eventually.js';
import { LineBlocks } from './line-blocks.js';

describe('the blocks of the log', () => {
  const open = () => {
    const done: string[] = [];
    const blocks = LineBlocks.of(() => ({
      write: (text) => done.push(text),
      flush: () => done.push('flush'),
      flushSync: () => done.push('flushSync'),
    }));
    return { done, blocks };
  };

  it('hold many lines, in order', () => {
    const { done, blocks } = open();
    const lines = Array.from({ length: 1_000 }, (_, index) => `line ${index} ${'x'.repeat(90)}\n`);
    for (const line of lines) blocks.write(line);
    expect(done.length).toBeLessThan(lines.length / 50);
    blocks.flushSync();
    expect(done.at(-1)).toBe('flushSync');
    expect(done.slice(0, -1).join('')).toBe(lines.join(''));
  });

  it('hold no line back for long', async () => {
    const { done, blocks } = open();
    for (const line of ['first\n', 'second\n']) {
      done.length = 0;
      blocks.write(line);
      expect(done).toEqual([]);
      await eventually(() => expect(done).toEqual([line, 'flush']));
    }
  });
});
