import { describe, expect, it } from '@jest/globals';
import { RecordedSpan } from './spans.js';

const LONG_MS = 60_000;

function begun() {
  const shown: RecordedSpan[] = [];
  const trace = { id: 'a'.repeat(32), state: undefined, offsetMs: 0, sink: (span: RecordedSpan) => void shown.push(span) };
  return { shown, span: new RecordedSpan(trace, undefined, 'internal', 'step') };
}

describe('a span that ends', () => {
  it.each<[string, (span: RecordedSpan) => void]>([
    ['whenever nothing else is asked', (span) => span.end()],
    [
      'though it was short, when it had a part',
      (span) => {
        span.child('part');
        span.end(LONG_MS);
      },
    ],
    [
      'though it was short, when somebody else continues it',
      (span) => {
        expect(span.traceparent).toContain(span.id);
        span.end(LONG_MS);
      },
    ],
    [
      'though it was short, when it failed',
      (span) => {
        span.fail('internal');
        span.end(LONG_MS);
      },
    ],
    [
      'when it took long enough',
      (span) => {
        const before = performance.now();
        while (performance.now() - before < 2);
        span.end(1);
      },
    ],
  ])('is shown %s', (_when, end) => {
    const { shown, span } = begun();
    end(span);
    expect(shown).toEqual([span]);
  });

  it('is not shown where it was shorter than what is worth telling, and does not end twice', () => {
    const { shown, span } = begun();
    span.end(LONG_MS);
    span.end();
    expect([shown, span.isRecording]).toEqual([[], false]);
  });
});
