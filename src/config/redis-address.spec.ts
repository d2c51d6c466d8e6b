import { describe, expect, it } from '@jest/globals';
import { assert, property, string } from 'fast-check';
import { parseRedisAddress } from './redis-address.js';

const plain = { host: 'cache', port: 6379, db: 0, username: undefined, password: undefined, tls: false };

describe('the address of a Redis', () => {
  it.each([
    ['redis://cache', plain],
    ['redis://cache/', plain],
    ['redis://cache:7000/2', { ...plain, port: 7000, db: 2 }],
    ['rediss://cache', { ...plain, tls: true }],
    ['redis://:p%40ss%2Fword@cache', { ...plain, password: 'p@ss/word' }],
    ['redis://gate:word@[::1]:6380', { ...plain, host: '::1', port: 6380, username: 'gate', password: 'word' }],
  ])('%s', (text, address) => expect(parseRedisAddress(text)).toEqual(address));

  it.each([
    '',
    'cache:6379',
    'http://cache',
    'redis://',
    'redis:///1',
    'redis://cache/one',
    'redis://cache/1/2',
    'redis://cache?db=1',
    'redis://cache#1',
    'redis://cache:70000',
    'redis://:%zz@cache',
    'redis://ca che',
  ])('is not %j', (text) => expect(parseRedisAddress(text)).toBeUndefined());

  it('is read out of any text, or not, and never throws', () => {
    assert(property(string(), (text) => void parseRedisAddress(`redis://${text}`)));
  });
});
