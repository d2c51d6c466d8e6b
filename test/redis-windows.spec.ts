import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { assert, asyncProperty, array, boolean, constantFrom, integer, record } from 'fast-check';
import { MemoryRateCounter } from '../src/auth/memory-rate-counter.js';
import { parseRedisAddress } from '../src/config/redis-address.js';
import { SystemClock } from '../src/config/system-clock.js';
import type { Budget } from '../src/domain/ports.js';
import { RedisConnection } from '../src/storage/redis/redis-connection.js';
import { RedisRateCounter } from '../src/storage/redis/redis-rate-counter.js';
import { readWindowAnswer } from '../src/storage/redis/window-scripts.js';
import { eventually } from './kit/eventually.js';
import { ManualClock } from './kit/manual-clock.js';
import { stopRedis, TestRedis, withRedis } from './kit/redis.js';

const HOUR = 3_600_000;
const counters: RedisRateCounter[] = [];
let redis: TestRedis | undefined;

/** A gateway's counter; `told` has what it said. */
async function startCounter(clock = new SystemClock()): Promise<{ counter: RedisRateCounter; told: (string | undefined)[] }> {
  redis ??= await TestRedis.start();
  const address = parseRedisAddress(redis.url);
  if (!address) throw new Error('the address of the test is none');
  const told: (string | undefined)[] = [];
  const counter = new RedisRateCounter({
    clock,
    open: (onEnd) => RedisConnection.open(address, onEnd),
    alone: new MemoryRateCounter(clock),
    isStrict: () => false,
    countsRequests: () => true,
    observer: { changed: (fault) => told.push(fault), countedAlone: () => told.push('alone') },
  });
  counters.push(counter);
  await counter.start();
  return { counter, told };
}

let bucketsUsed = 0;
const newBucket = () => `address:192.0.2.${++bucketsUsed}`;

afterEach(async () => {
  await Promise.all(counters.splice(0).map((counter) => counter.stop()));
});
afterAll(stopRedis);

describe('a window in Redis', () => {
  const steps = array(
    record({
      spends: boolean(),
      other: boolean(),
      rate: record({ count: integer({ min: 1, max: 4 }), windowMs: constantFrom(HOUR, 24 * HOUR) }),
    }),
    { maxLength: 30 },
  );

  withRedis('is like one in memory, whatever rates follow each other and whichever gateway asks', async () => {
    const { counter, told } = await startCounter();
    const { counter: other } = await startCounter();
    const check = asyncProperty(steps, async (asked) => {
      const [bucket, memory] = [newBucket(), new MemoryRateCounter(new ManualClock())];
      for (const { spends, other: byOther, rate } of asked) {
        const [here, there] = [byOther ? other : counter, memory];
        const found: Budget = await (spends ? here.spend(bucket, rate) : here.peek(bucket, rate));
        const expected = await (spends ? there.spend(bucket, rate) : there.peek(bucket, rate));
        // The clock of Redis goes on.
        expect(expected.resetSeconds - found.resetSeconds).toBeLessThanOrEqual(60);
        expect({ ...found, resetSeconds: 0 }).toEqual({ ...expected, resetSeconds: 0 });
      }
    });
    await assert(check, { numRuns: 60 });
    expect(told).toEqual([undefined]);
  });

  withRedis('ends with its time, and goes away by itself', async () => {
    const { counter } = await startCounter();
    const [bucket, rate] = [newBucket(), { count: 1, windowMs: 200 }];
    redis?.say('FLUSHALL');
    expect(await counter.spend(bucket, rate)).toMatchObject({ allowed: true, remaining: 0, resetSeconds: 1 });
    expect(await counter.spend(bucket, rate)).toMatchObject({ allowed: false });
    await eventually(async () => (await counter.spend(bucket, rate)).allowed);
    await eventually(() => redis?.say('KEYS', '*') === '');
  });

  withRedis('holds nothing by which somebody could be known as they are', async () => {
    const { counter } = await startCounter();
    redis?.say('FLUSHALL');
    await counter.spend('address:203.0.113.77', { count: 5, windowMs: HOUR });
    const name = redis?.say('KEYS', '*') ?? '';
    expect(name).toMatch(/^sallyport:rate:[\w-]{22}$/);
    expect(name).not.toContain('203');
    expect(redis?.say('HGETALL', name)).toMatch(/^ends\n\d{13}\nlength\n3600000\nused\n1$/);
    expect(redis?.say('PTTL', name)).toMatch(/^3[56]\d{5}$/);
  });

  withRedis('is made anew by scripts that Redis has forgotten', async () => {
    const { counter, told } = await startCounter();
    const [bucket, rate] = [newBucket(), { count: 5, windowMs: HOUR }];
    await counter.spend(bucket, rate);
    redis?.say('SCRIPT', 'FLUSH');
    expect(await counter.spend(bucket, rate)).toMatchObject({ remaining: 3 });
    expect(told).toEqual([undefined]);
  });

  withRedis('is none where Redis refuses to write, and is again when it does not', async () => {
    const { counter, told } = await startCounter();
    const [bucket, rate] = [newBucket(), { count: 5, windowMs: HOUR }];
    redis?.say('CONFIG', 'SET', 'maxmemory', '1');
    expect(await counter.spend(bucket, rate)).toMatchObject({ remaining: 4 });
    expect([told, counter.fault]).toEqual([[undefined, 'it answered OOM', 'alone'], 'it answered OOM']);
    redis?.say('CONFIG', 'SET', 'maxmemory', '0');
    await eventually(async () => (await counter.peek(bucket, rate)).remaining === 5);
    expect(told.slice(-1)).toEqual([undefined]);
  });
});

describe('a Redis that hangs [A8]', () => {
  /** In the order of the loop, however busy this machine is: what is due by then has happened. */
  const passed = (ms: number) => new Promise<string>((resolve) => setTimeout(() => setImmediate(resolve, `${ms} ms passed`), ms));

  withRedis('costs a request 100 ms at most, those that wait with it no more, and the next ones nothing', async () => {
    const { counter, told } = await startCounter();
    const [bucket, rate] = [newBucket(), { count: 1_000, windowMs: HOUR }];
    await redis?.hang();
    try {
      const spending = Promise.all(Array.from({ length: 50 }, () => counter.spend(bucket, rate)));
      expect(await Promise.race([spending.then(() => 'decided'), passed(150)])).toBe('decided');
      const next = counter.spend(bucket, rate).then(({ remaining }) => remaining);
      expect(await Promise.race([next, passed(0)])).toBe(1_000 - 51);
      expect(told.slice(0, 2)).toEqual([undefined, 'no answer within 100 ms']);
      // For longer than anything that it was sent is wanted, however slow the answers before.
      await passed(300);
    } finally {
      redis?.wake();
    }
    // By itself it has counted 51; in Redis there is none of them.
    await eventually(async () => (await counter.peek(bucket, rate)).remaining === 1_000);
  });
});

it('takes no answer for one that is none', () => {
  for (const answer of [null, 'OK', 1, [], [1, 2, 3], [1, 2, 3, '4'], [1, 2, 3, 0.5], [1, 2, 3, 4, 5]])
    expect(readWindowAnswer(answer)).toBeUndefined();
  expect(readWindowAnswer([-1, 2, 3, 4])).toEqual({ verdict: 'late', used: 2, leftMs: 3, at: 4 });
});
