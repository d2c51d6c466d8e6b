import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parsePrefer } from './preferences.js';

describe('Prefer', () => {
  it.each([
    [undefined, false, 0],
    ['', false, 0],
    ['respond-async', true, 0],
    ['Respond-Async; foo=bar', true, 0],
    ['wait=5', false, 5_000],
    ['respond-async, wait=10', true, 10_000],
    ['wait = "10" , respond-async', true, 10_000],
    ['return=minimal, handling=lenient', false, 0],
    ['wait=100000', false, 300_000],
    ['wait=-1, wait=x, wait=1.5, wait=99999999', false, 0],
    ['respond-async=false', false, 0],
  ])('%j', (header, respondAsync, waitMs) => {
    expect(parsePrefer(header)).toEqual({ respondAsync, waitMs });
  });

  it('never waits longer than five minutes, whatever it says', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        const { waitMs } = parsePrefer(header);
        expect(waitMs >= 0 && waitMs <= 300_000).toBe(true);
      }),
    );
  });
});
