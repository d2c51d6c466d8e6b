import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isAddressRange, isRangeWithin, isWithin } from './address-ranges.js';

describe('address ranges', () => {
  it.each(['192.0.2.1', '192.0.2.0/24', '0.0.0.0/0', '::1', '2001:db8::/32', '::/0', '::ffff:192.0.2.0/120', '192.0.2.1/32'])(
    'are written like %s',
    (text) => expect(isAddressRange(text)).toBe(true),
  );

  it.each([
    '',
    'localhost',
    '192.0.2.1/33',
    '192.0.2.1/24',
    '10.0.0.0/08',
    '2001:db8::1/32',
    '::/129',
    '1.2.3',
    '::ffff:0:0/95',
    '10.0.0.0/8 ',
  ])('are not written like "%s"', (text) => expect(isAddressRange(text)).toBe(false));

  it('hold what lies in them, IPv4 also in its IPv6 form, and nothing else', () => {
    const office = ['192.0.2.0/24', '2001:db8:1::/48'];
    for (const address of ['192.0.2.255', '::ffff:192.0.2.7', '2001:db8:1:ffff::9', '2001:db8:1::1%eth0'])
      expect([address, isWithin(address, office)]).toEqual([address, true]);
    for (const address of ['192.0.3.0', '::ffff:192.0.3.1', '2001:db8:2::1', 'local', '', '::192.0.2.1'])
      expect([address, isWithin(address, office)]).toEqual([address, false]);
    expect(isWithin('192.0.2.1', ['::/0'])).toBe(false);
    expect(isWithin('192.0.2.1', [])).toBe(false);
  });

  it('lie within each other just when every address of the inner one does', () => {
    const range = fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 8 })).map(([byte, bits]) => {
      const first = (byte >> (8 - bits)) << (8 - bits);
      return { text: `10.0.0.${first}/${24 + bits}`, first, last: first + 2 ** (8 - bits) - 1 };
    });
    fc.assert(
      fc.property(range, range, (inner, outer) => {
        expect(isRangeWithin(inner.text, [outer.text])).toBe(outer.first <= inner.first && inner.last <= outer.last);
        expect(isWithin(`10.0.0.${inner.last}`, [outer.text])).toBe(outer.first <= inner.last && inner.last <= outer.last);
      }),
    );
  });
});
