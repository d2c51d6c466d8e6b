import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../test/kit/manual-clock.js';
import { type CachedResult, ResultCache } from './result-cache.js';

const LIMIT = 100_000;
const plain = { fallback: null };

function resultOf(characters: number, command = 'test'): CachedResult {
  const output = [{ stream: 'stdout', seq: 1, data: 'x'.repeat(characters) } as const];
  return { command, outcome: { kind: 'exited', code: 0 }, output, redactions: 0, storedAt: 0 };
}

describe('the cache of results', () => {
  it('takes no more room than it has, whatever is put in; what was not asked for the longest goes first', () => {
    const cache = new ResultCache(LIMIT, new ManualClock());
    cache.put('dear', resultOf(100), 60_000);
    for (let count = 0; count < 5_000; count++) {
      cache.put(`flood ${count}`, resultOf(count % 500), 60_000);
      expect(cache.size).toBeLessThanOrEqual(LIMIT);
      expect(cache.get('dear', plain)).toBeDefined();
    }
    expect(cache.get('flood 0', plain)).toBeUndefined();
  });

  it('does not empty itself for one that is large', () => {
    const cache = new ResultCache(LIMIT, new ManualClock());
    cache.put('small', resultOf(10), 60_000);
    cache.put('large', resultOf(LIMIT / 4), 60_000);
    expect([cache.get('large', plain), cache.get('small', plain) !== undefined]).toEqual([undefined, true]);
  });

  it('keeps what is too old only for those who fall back to it', () => {
    const clock = new ManualClock();
    const cache = new ResultCache(LIMIT, clock);
    for (const key of ['one', 'other']) cache.put(key, resultOf(1), 5_000);
    clock.advance(5_001);
    expect([cache.get('one', plain), cache.get('other', { fallback: 'stale' })]).toEqual([undefined, undefined]);
    expect([cache.getStale('one'), cache.getStale('other') !== undefined]).toEqual([undefined, true]);
  });

  it('forgets results of commands that have changed', () => {
    const cache = new ResultCache(LIMIT, new ManualClock());
    cache.put('one', resultOf(1, 'changed'), 5_000);
    cache.put('other', resultOf(1, 'same'), 5_000);
    cache.forget(new Set(['changed', 'gone']));
    expect([cache.get('one', plain), cache.get('other', plain) !== undefined]).toEqual([undefined, true]);
  });
});
