import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createRequestContext, newId } from './request-context.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('the context of a request', () => {
  it('continues a trace as the child of its caller (W3C Trace Context)', () => {
    const context = createRequestContext({ traceparent: `00-${TRACE}-${SPAN}-01` }, 5);
    expect(context).toMatchObject({ traceId: TRACE, startedAt: 5, traceparent: expect.stringMatching(`^00-${TRACE}-[0-9a-f]{16}-01$`) });
    expect(context.traceparent).not.toContain(SPAN);
  });

  it.each([
    ['another version', `01-${TRACE}-${SPAN}-01`],
    ['upper case', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['more behind it', `00-${TRACE}-${SPAN}-01-extra`],
    ['two of them', `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
  ])('begins a trace of its own, not sampled, for %s', (_what, traceparent) => {
    const context = createRequestContext({ traceparent }, 0);
    expect(context.traceId).not.toBe(TRACE);
    expect(context.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  });

  it('takes over request ids that are short and plain, and no others (T44)', () => {
    expect(createRequestContext({ 'x-request-id': 'ci-17.a_B' }, 0).requestId).toBe('ci-17.a_B');
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: 'binary', minLength: 60 }), fc.constantFrom('', '-a', 'a\n', 'a b', 'a'.repeat(65))),
        (given) => {
          const { requestId } = createRequestContext({ 'x-request-id': given }, 0);
          expect(requestId).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
          if (requestId !== given) expect(requestId).toMatch(/^req_[0-9a-f]{32}$/);
        },
      ),
    );
  });

  it('never gives an id or a trace twice', () => {
    const contexts = Array.from({ length: 2_000 }, () => createRequestContext({}, 0));
    for (const field of ['requestId', 'traceId', 'traceparent'] as const)
      expect(new Set(contexts.map((context) => context[field])).size).toBe(contexts.length);
  });

  it('makes ids that sort by time', () => {
    const ids = Array.from({ length: 1_000 }, () => newId('run'));
    expect([...ids].sort()).toEqual(ids);
  });
});
