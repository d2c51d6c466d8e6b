import { Redaction } from '../redaction/redaction.js';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { sampleRun } from '../../test/kit/storage.js';
import { LiveRun } from './live-run.js';
import { type CollectorOptions, OutputCollector } from './output-collector.js';
import { textOf } from './run-envelope.js';

function collect(options: Partial<CollectorOptions> = {}) {
  const live = new LiveRun(sampleRun());
  const kinds: string[] = [];
  const collector = new OutputCollector(live, {
    secrets: [],
    redaction: new Redaction(),
    keepBack: false,
    onRedaction: (kind) => kinds.push(kind),
    ...options,
  });
  return { live, collector, kinds, text: () => textOf(live.output, 'stdout') };
}

describe('the collector', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('joins what comes within a moment, and numbers the chunks over both streams without gaps', () => {
    const { live, collector } = collect();
    for (const piece of ['a', 'b', 'c']) collector.take('stdout', Buffer.from(`${piece}\n`));
    collector.take('stderr', Buffer.from('x\n'));
    expect(live.output).toEqual([]);
    jest.advanceTimersByTime(20);
    collector.take('stdout', Buffer.from('d\n'));
    collector.close();
    expect(live.output).toEqual([
      { stream: 'stdout', seq: 1, data: 'a\nb\nc\n' },
      { stream: 'stderr', seq: 2, data: 'x\n' },
      { stream: 'stdout', seq: 3, data: 'd\n' },
    ]);
  });

  it('lets much output out at once, and leaves no timer behind', () => {
    const { live, collector } = collect();
    collector.take('stdout', Buffer.from('line\n'.repeat(10_000)));
    expect(live.output.length).toBeGreaterThan(0);
    collector.close();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('shows nothing of an attempt that may be repeated until it is released', () => {
    const { live, collector, text } = collect({ keepBack: true });
    collector.take('stdout', Buffer.from('kept\n'));
    jest.advanceTimersByTime(100);
    collector.close();
    expect(live.output).toEqual([]);
    collector.release();
    collector.release();
    expect(text()).toBe('kept\n');
  });

  it('joins characters that arrive in pieces', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.nat(40)), (given, cuts) => {
        const { collector, text } = collect();
        const bytes = Buffer.from(given);
        const ends = [...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        ends.forEach((end, index) => collector.take('stdout', bytes.subarray(ends[index - 1] ?? 0, end)));
        collector.close();
        expect(text()).toBe(given);
      }),
    );
  });

  it('masks a secret that arrives in pieces with pauses between them, and counts it (T40)', () => {
    const secret = ['correct', 'horse', 'battery'].join('-');
    for (let cut = 1; cut < secret.length; cut++) {
      const { live, collector, kinds } = collect({ secrets: [secret] });
      collector.take('stdout', Buffer.from(`token=${secret.slice(0, cut)}`));
      jest.advanceTimersByTime(1_000);
      collector.take('stdout', Buffer.from(`${secret.slice(cut)}\n`));
      collector.close();
      const shown = live.output.map(({ data }) => data).join('');
      expect(shown).toMatch(/^token=«.*»\n$/);
      expect(shown).not.toContain(secret.slice(0, 4));
      expect([collector.redactions, kinds.length]).toEqual([1, 1]);
    }
  });

  it('refuses secrets that it could not mask before there is any output', () => {
    expect(() => collect({ secrets: ['x'.repeat(20_000)] })).toThrow(expect.objectContaining({ code: 'invalid_arguments' }));
  });
});
