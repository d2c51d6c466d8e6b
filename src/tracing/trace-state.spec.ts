import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseTraceState } from './trace-state.js';

describe('a tracestate', () => {
  it.each([
    ['rojo=00f067aa0ba902b7,congo=t61rcWkgMzE', 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'],
    ['a=1 , ,b= x', 'a=1,b= x'],
    ['0tenant@vendor=1', '0tenant@vendor=1'],
  ])('travels on: %s', (text, expected) => expect(parseTraceState(text)).toBe(expected));

  it.each([
    ['', 'a', 'a=', '=1', 'A=1', 'a=1=2', 'a=1,a=2', 'a=\n', 'a=é', '0a=1', `a=${'x'.repeat(257)}`, `a=${'x'.repeat(600)}`],
    [Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(',')],
  ])('that is none of W3C is dropped as a whole', (...texts) => {
    for (const text of texts) expect([text, parseTraceState(text)]).toEqual([text, undefined]);
  });

  it('is what was given without blanks, or nothing, whatever is given', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^([a-z]{0,3}=?[ -~]{0,4},?){0,5}$/)), (text) => {
        const state = parseTraceState(text);
        if (state === undefined) return;
        expect(state).toMatch(/^[\x21-\x7e][\x20-\x7e]*$/);
        expect(state.replaceAll(/[\s,]/g, '')).toBe(text.replaceAll(/[\s,]/g, ''));
        expect(parseTraceState(state)).toBe(state);
      }),
    );
  });
});
