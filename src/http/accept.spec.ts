import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { preferredType } from './accept.js';

const JSON_TYPE = 'application/json';
const HEALTH = 'application/health+json';

describe('the media type that a caller would rather have', () => {
  it.each([
    [undefined, JSON_TYPE],
    ['', JSON_TYPE],
    ['*/*', JSON_TYPE],
    ['application/*', JSON_TYPE],
    [HEALTH, HEALTH],
    ['Application/Health+JSON', HEALTH],
    [`${HEALTH}, */*;q=0.1`, HEALTH],
    [`${JSON_TYPE}, ${HEALTH}`, JSON_TYPE],
    [`${JSON_TYPE};q=0.5, ${HEALTH};q=0.6`, HEALTH],
    [`${JSON_TYPE};q=0.6 , ${HEALTH} ; charset=utf-8 ; q=0.5`, JSON_TYPE],
    [`${HEALTH};q=0, */*`, JSON_TYPE],
    [`*/*, ${JSON_TYPE};q=0`, HEALTH],
    [`application/*;q=0.2, ${HEALTH};q=0.1`, JSON_TYPE],
    ['text/html, image/*', JSON_TYPE],
    [`${HEALTH};q=1.5`, JSON_TYPE],
    [`${HEALTH};q=yes`, JSON_TYPE],
    [',;,q=1,/,', JSON_TYPE],
  ])('of %j is %s', (accept, expected) => {
    expect(preferredType(accept, [JSON_TYPE, HEALTH])).toBe(expected);
  });

  it('is one of those offered, whatever the header holds', () => {
    const piece = fc.constantFrom(',', ';', 'q=', '0.5', '1', '*/*', HEALTH, JSON_TYPE, ' ', '"', 'q=0');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((pieces) => pieces.join('')),
        ),
        (accept) => [JSON_TYPE, HEALTH].includes(preferredType(accept, [JSON_TYPE, HEALTH])),
      ),
    );
  });
});
