import { describe, expect, it } from '@jest/globals';
import { parseHeaders, parsePairs, parseRatio } from './pairs.js';

describe('settings of OpenTelemetry', () => {
  it('are pairs with encoded values', () => {
    expect(parsePairs('a=1, b = two%20words,c=')).toEqual({ a: '1', b: 'two words', c: '' });
    for (const text of ['a', '=1', 'a=1,,b=2', 'a=%zz', `a=${'x'.repeat(5_000)}`])
      expect([text, parsePairs(text)]).toEqual([text, undefined]);
  });

  it('are headers that can be sent', () => {
    expect(parseHeaders('authorization=Basic%20eDp5,x-tenant=one')).toEqual({ authorization: 'Basic eDp5', 'x-tenant': 'one' });
    for (const text of ['a b=1', 'a=%0d%0ax:1', 'a=%C3%A9', 'a:b=1']) expect([text, parseHeaders(text)]).toEqual([text, undefined]);
  });

  it('are parts of a whole', () => {
    expect(['0', '1', '0.25', '.5', '1.0'].map(parseRatio)).toEqual([0, 1, 0.25, 0.5, 1]);
    for (const text of ['', '1.5', '-1', '1e-3', 'half', '2']) expect([text, parseRatio(text)]).toEqual([text, undefined]);
  });
});
