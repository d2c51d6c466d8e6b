import { describe, expect, it } from '@jest/globals';
import { NO_SPAN, NO_TRACER } from '../domain/tracing.js';
import { createRequestContext } from '../http/request-context.js';
import { type Delivery, SpanQueue } from './span-queue.js';
import { RecordedSpan } from './spans.js';

const TAKEN: Delivery = { kind: 'taken', refused: 0 };

/** A queue whose batches come to nothing before `answer` is called. */
function open() {
  const fate = { exported: 0, dropped: {} as Record<string, number>, troubles: [] as (string | undefined)[] };
  const batches: number[] = [];
  const { promise, resolve } = Promise.withResolvers<Delivery>();
  const queue = new SpanQueue((spans) => (batches.push(spans.length), promise), {
    exported: (count) => void (fate.exported += count),
    dropped: (count, reason) => void (fate.dropped[reason] = (fate.dropped[reason] ?? 0) + count),
    troubled: (reason) => void fate.troubles.push(reason),
  });
  const add = (count: number) => {
    const trace = { id: 'a'.repeat(32), state: undefined, offsetMs: 0, sink: (span: RecordedSpan) => queue.add(span) };
    for (let number = 0; number < count; number++) new RecordedSpan(trace, undefined, 'internal', 'test').end();
  };
  return { queue, fate, batches, add, answer: resolve };
}

describe('the queue of spans', () => {
  it('holds so many and drops what comes beyond, counted', async () => {
    const { queue, fate, batches, add, answer } = open();
    add(10_000);
    expect(fate.dropped).toEqual({ queue_full: 10_000 - 8_192 });
    answer(TAKEN);
    await queue.stop();
    expect(fate.exported).toBe(8_192);
    expect(Math.max(...batches)).toBe(1_024);
    add(1);
    expect(fate.dropped).toEqual({ queue_full: 10_000 - 8_192 + 1 });
  });

  it('counts what a collector says that it left out, and what it refused', async () => {
    const partly = open();
    partly.add(10);
    partly.answer({ kind: 'taken', refused: 3 });
    await partly.queue.stop();
    expect(partly.fate).toEqual({ exported: 7, dropped: { refused: 3 }, troubles: [] });
    const wholly = open();
    wholly.add(10);
    wholly.answer({ kind: 'refused', reason: 'HTTP 400' });
    await wholly.queue.stop();
    expect(wholly.fate).toEqual({ exported: 0, dropped: { refused: 10 }, troubles: ['HTTP 400'] });
  });

  it('gives up at its stop what nobody takes', async () => {
    const { queue, fate, add, answer } = open();
    add(600);
    answer({ kind: 'unreachable', reason: 'ECONNREFUSED' });
    await queue.stop();
    await queue.stop();
    expect(fate).toEqual({ exported: 0, dropped: { unreachable: 600 }, troubles: ['ECONNREFUSED'] });
  });
});

describe('without a collector', () => {
  it('there is one span, which is nothing to anybody', () => {
    expect(createRequestContext({}, 0).span).toBe(NO_SPAN);
    expect([NO_SPAN.child('one'), NO_TRACER.current, NO_TRACER.begin({ traceId: '', caller: undefined }, 'server')]).toEqual([
      NO_SPAN,
      NO_SPAN,
      NO_SPAN,
    ]);
    expect(NO_SPAN.child('one')).toBe(NO_SPAN);
    expect([Object.isFrozen(NO_SPAN), Object.isFrozen(NO_TRACER), NO_SPAN.traceparent]).toEqual([true, true, undefined]);
    expect(NO_TRACER.within(NO_SPAN, () => 'done')).toBe('done');
  });
});
