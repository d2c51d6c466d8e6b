import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../test/kit/manual-clock.js';
import { AuthObserver, type RateScope } from './auth-observer.js';
import { MemoryRateCounter } from './memory-rate-counter.js';
import { type RateLimitRules, RateLimits } from './rate-limits.js';

const MINUTE = 60_000;
const caller = { id: 'abc', name: 'ci', role: 'operator', scopes: ['*'], address: '192.0.2.1' } as const;

class Refusals extends AuthObserver {
  readonly scopes: RateScope[] = [];
  authFailed(): void {}
  rateLimited(scope: RateScope): void {
    this.scopes.push(scope);
  }
  touchFailed(): void {}
  watchFailed(): void {}
}

function limitsOf(rules: Partial<RateLimitRules> = {}) {
  const clock = new ManualClock();
  const refusals = new Refusals();
  const rates = { key: { count: 100, windowMs: MINUTE }, address: { count: 300, windowMs: MINUTE } };
  return { clock, refusals, limits: new RateLimits(new MemoryRateCounter(clock), { enabled: true, rates, ...rules }, refusals) };
}

describe('the counter in memory', () => {
  const rate = { count: 50, windowMs: MINUTE };

  it('allows exactly 50 of 1,000 callers that come at once (A7)', async () => {
    const counter = new MemoryRateCounter(new ManualClock());
    const budgets = await Promise.all(Array.from({ length: 1000 }, () => counter.spend('one', rate)));
    expect(budgets.filter(({ allowed }) => allowed)).toHaveLength(50);
    expect(await counter.spend('another', rate)).toMatchObject({ allowed: true, remaining: 49 });
  });

  it('starts a window with its first request and a new one after its end', async () => {
    const clock = new ManualClock();
    const counter = new MemoryRateCounter(clock);
    clock.advance(12_345);
    expect(await counter.spend('one', { ...rate, count: 1 })).toEqual({ allowed: true, limit: 1, remaining: 0, resetSeconds: 60 });
    clock.advance(MINUTE - 1);
    expect(await counter.spend('one', { ...rate, count: 1 })).toEqual({ allowed: false, limit: 1, remaining: 0, resetSeconds: 1 });
    clock.advance(1);
    expect(await counter.spend('one', { ...rate, count: 1 })).toEqual({ allowed: true, limit: 1, remaining: 0, resetSeconds: 60 });
  });

  it('looks without spending', async () => {
    const counter = new MemoryRateCounter(new ManualClock());
    for (let round = 0; round < 3; round++)
      expect(await counter.peek('one', rate)).toEqual({ allowed: true, limit: 50, remaining: 50, resetSeconds: 60 });
    await counter.spend('one', rate);
    expect(await counter.peek('one', rate)).toMatchObject({ remaining: 49 });
  });

  it('forgets the longest unused of more than 100,000 callers (T50)', async () => {
    const counter = new MemoryRateCounter(new ManualClock());
    await counter.spend('first', rate);
    for (let index = 0; index < 99_999; index++) await counter.spend(`caller ${index}`, rate);
    expect(await counter.peek('first', rate)).toMatchObject({ remaining: 49 });
    for (let index = 0; index < 100_000; index++) await counter.spend(`another ${index}`, rate);
    expect(await counter.peek('first', rate)).toMatchObject({ remaining: 50 });
  });
});

describe('rate limits', () => {
  it('are told as draft-11 of the RateLimit fields writes them', async () => {
    const { clock, limits } = limitsOf();
    const address = await limits.spendFromAddress(caller.address);
    clock.advance(42_500);
    const key = await limits.spendFromKey(caller);
    expect(limits.headers({ key, address })).toEqual({
      'ratelimit-policy': '"key";q=100;w=60, "address";q=300;w=60',
      ratelimit: '"key";r=99;t=60, "address";r=299;t=60',
    });
    expect(limits.headers({ address: await limits.spendFromAddress(caller.address) })).toEqual({
      'ratelimit-policy': '"address";q=300;w=60',
      ratelimit: '"address";r=298;t=18',
    });
    expect(limits.headers({})).toEqual({});
  });

  it('refuse with whole seconds to wait, and say whose window it was to metrics', async () => {
    const { clock, limits, refusals } = limitsOf({
      rates: { key: { count: 1, windowMs: MINUTE }, address: { count: 1, windowMs: MINUTE } },
    });
    await limits.spendForKey(caller);
    clock.advance(100);
    await expect(limits.spendForKey(caller)).rejects.toMatchObject({ code: 'rate_limited', status: 429, extra: { retryAfterSeconds: 60 } });
    expect(refusals.scopes).toEqual(['key']);
  });

  it('count all addresses of an IPv6 /64 as one, and a mapped address as IPv4', async () => {
    const { limits } = limitsOf();
    await limits.spendFromAddress('2001:db8::1');
    expect(await limits.spendFromAddress('2001:db8::ffff:2')).toMatchObject({ remaining: 298 });
    await limits.spendFromAddress('::ffff:192.0.2.9');
    expect(await limits.spendFromAddress('192.0.2.9')).toMatchObject({ remaining: 298 });
  });

  it('say what is left without spending', async () => {
    const { limits } = limitsOf();
    await limits.spendForKey(caller);
    const left = {
      key: { limit: 100, windowSeconds: 60, remaining: 99, resetSeconds: 60 },
      address: { limit: 300, windowSeconds: 60, remaining: 300, resetSeconds: 60 },
    };
    expect(await limits.left(caller)).toEqual(left);
    expect(await limits.left(caller)).toEqual(left);
  });

  it('do nothing when they are off', async () => {
    const { limits } = limitsOf({
      enabled: false,
      rates: { key: { count: 1, windowMs: MINUTE }, address: { count: 1, windowMs: MINUTE } },
    });
    for (let round = 0; round < 3; round++) await limits.spendForKey(caller);
    expect(await limits.spendFromAddress(caller.address)).toBeUndefined();
    expect(await limits.left(caller)).toBeNull();
  });
});
