import { describe, expect, it } from '@jest/globals';
import { assert, array, integer, property, record } from 'fast-check';
import { ManualClock } from '../../../test/kit/manual-clock.js';
import { RedisClock } from './redis-clock.js';

describe('the clock of Redis', () => {
  it('is unknown before it has said anything, and after a step', () => {
    const clock = new RedisClock(new ManualClock());
    expect(clock.at(5)).toBeUndefined();
    clock.learn(1_000, 0);
    expect(clock.at(5)).toBe(1_006);
    clock.forget();
    expect(clock.at(5)).toBeUndefined();
  });

  it('is never thought to be earlier than it is, nor later than by the fastest answer and what clocks may drift', () => {
    const ways = record({
      there: integer({ min: 0, max: 90 }),
      back: integer({ min: 0, max: 90 }),
      pause: integer({ min: 0, max: 5_000 }),
    });
    const check = property(integer({ min: 1, max: 2e12 }), array(ways, { minLength: 1 }), (ahead, answers) => {
      const manual = new ManualClock();
      const clock = new RedisClock(manual);
      let [fastest, passed] = [Infinity, 0];
      for (const { there, back, pause } of answers) {
        manual.advance(pause);
        passed += pause;
        const askedAt = manual.monotonic();
        manual.advance(there);
        const told = manual.monotonic() + ahead;
        manual.advance(back);
        passed += there + back;
        clock.learn(told, askedAt);
        fastest = Math.min(fastest, there);
        const found = (clock.at(manual.monotonic()) ?? NaN) - (manual.monotonic() + ahead);
        expect(found).toBeGreaterThanOrEqual(0);
        expect(found).toBeLessThanOrEqual(fastest + 2 + passed / 1_000);
      }
    });
    assert(check);
  });
});
