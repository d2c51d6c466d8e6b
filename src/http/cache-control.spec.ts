import { describe, expect, it } from '@jest/globals';
import { parseCacheControl } from './cache-control.js';

describe('the header Cache-Control of a request', () => {
  it.each([
    [undefined, undefined],
    ['', undefined],
    ['no-cache', 'no-cache'],
    ['No-Cache', 'no-cache'],
    ['max-age=0', 'no-cache'],
    ['max-age=00', 'no-cache'],
    ['max-age=05', undefined],
    ['max-age=60', undefined],
    ['max-stale, no-cache', 'no-cache'],
    ['no-cache,no-store', 'no-store'],
    ['private="no-cache"', undefined],
    ['xno-cache', undefined],
  ])('%s asks for %s', (header, caching) => expect(parseCacheControl(header)).toBe(caching));
});
