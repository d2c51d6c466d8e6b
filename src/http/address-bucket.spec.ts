import { isIP } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { addressBucket } from './address-bucket.js';

describe('the bucket of an address', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:c000:0207', '192.0.2.7'],
    ['0:0:0:0:0:ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
    ['', 'unknown'],
    ['local', 'unknown'],
    ['192.0.2.07', 'unknown'],
  ])('%s is %s', (address, bucket) => expect(addressBucket(address)).toBe(bucket));

  it('is shared by a whole /64, and by nothing else', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    const half = fc.tuple(group, group, group, group);
    const write = (groups: number[]) => groups.map((one) => one.toString(16)).join(':');
    fc.assert(
      fc.property(half, half, half, (network, host, other) => {
        fc.pre(network.some((one) => one !== 0) && other.some((one) => one !== 0));
        const bucket = addressBucket(write([...network, ...host]));
        expect(addressBucket(write([...network, ...other]))).toBe(bucket);
        expect(addressBucket(write([...other, ...host])) === bucket).toBe(write(other) === write(network));
      }),
    );
  });

  it('exists for any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()), (text) => (addressBucket(text) === 'unknown') === (isIP(text) === 0)),
    );
  });
});
