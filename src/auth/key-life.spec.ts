import { describe, expect, it } from '@jest/globals';
import type { ApiKey } from '../domain/principal.js';
import { isExpired, isInOverlap } from './key-life.js';

const BEFORE = '2030-01-01T00:00:00.000Z';
const END = '2030-01-01T00:00:00.001Z';
const AFTER = '2030-01-01T00:00:00.002Z';

const key = (differences: Partial<ApiKey>) => differences as ApiKey;

describe('the life of a key [A3] [A5]', () => {
  it('ends at the stated instant and not after it', () => {
    const rotated = key({ generation: 1, previous: { secretHash: '', validUntil: END, lastUsedAt: null } });
    expect([BEFORE, END, AFTER].map((now) => isInOverlap(rotated, 0, now))).toEqual([true, false, false]);
    expect([BEFORE, END, AFTER].map((now) => isExpired(key({ expiresAt: END }), now))).toEqual([false, true, true]);
    expect(isExpired(key({ expiresAt: null }), AFTER)).toBe(false);
  });

  it('has one secret before the present one, and none where it was never rotated', () => {
    const twice = key({ generation: 2, previous: { secretHash: '', validUntil: END, lastUsedAt: null } });
    expect([0, 1, 2].map((generation) => isInOverlap(twice, generation, BEFORE))).toEqual([false, true, false]);
    expect(isInOverlap(key({ generation: 1, previous: null }), 0, BEFORE)).toBe(false);
  });
});
