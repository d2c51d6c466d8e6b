import { afterEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { breakerPolicy, retryPolicy, VirtualTime } from '../../test/kit/guards.js';
import type { FailureCause } from '../domain/failure.js';
import type { RetryPolicy } from '../domain/resilience.js';
import type { Ended } from './breaker.js';
import { pause } from './time-limits.js';

afterEach(() => void jest.restoreAllMocks());

const failed: FailureCause = { kind: 'exit_code', code: 1 };
const never = () => new AbortController().signal;

interface Scripted {
  readonly retry?: Partial<RetryPolicy>;
  readonly idempotent?: boolean;
  /** How the attempts end; the last one is for all that follow. */
  readonly ends: readonly Ended[];
  /** How long each takes, milliseconds. */
  readonly takesMs?: number;
}

/** How often it was tried, with which waits, and how that ended. */
async function tried({ retry, idempotent = true, ends, takesMs = 0 }: Scripted) {
  const time = new VirtualTime();
  const result = await time.resilience.run({ retry: { ...retryPolicy, ...retry }, breaker: null, idempotent }, never(), async (number) => {
    time.clock.advance(takesMs);
    const failure = ends[Math.min(number, ends.length) - 1] ?? null;
    return { failure, number };
  });
  return { attempts: result.number, failure: result.failure, waits: time.waits, spentMs: time.clock.monotonic() };
}

describe('tries', () => {
  it('are as many as declared, and end with the first that succeeds [H13]', async () => {
    expect(await tried({ ends: [failed] })).toMatchObject({ attempts: 5, failure: failed });
    expect(await tried({ ends: [failed, failed, null] })).toMatchObject({ attempts: 3, failure: null });
    expect(await tried({ retry: { attempts: 1 }, ends: [failed] })).toMatchObject({ attempts: 1, waits: [] });
  });

  it('wait at random, up to a bound that doubles [H13]', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(0.999_999);
    expect((await tried({ ends: [failed] })).waits).toEqual([99, 199, 399, 799]);
    expect((await tried({ retry: { maxDelayMs: 250 }, ends: [failed] })).waits).toEqual([99, 199, 249, 249]);
    jest.spyOn(Math, 'random').mockReturnValue(0);
    expect((await tried({ ends: [failed] })).waits).toEqual([0, 0, 0, 0]);
  });

  it('spread over the whole of their bound: those who fail together do not come together again', async () => {
    const first = (await Promise.all(Array.from({ length: 400 }, () => tried({ retry: { attempts: 2 }, ends: [failed] })))).map(
      ({ waits }) => waits[0] ?? 0,
    );
    const quarters = [0, 1, 2, 3].map((quarter) => first.filter((wait) => Math.floor(wait / 25) === quarter).length);
    // 100 are expected in each; less than 50 happens once in many millions of times.
    expect(Math.min(...quarters)).toBeGreaterThan(50);
  });

  it('never begin later than their budget, waits and attempts together [H13]', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(0.999_999);
    // 100 + 99 + 100 + 199 = 498 is the latest that begins; the next would begin at 997.
    const bounded = { ends: [failed], takesMs: 100 };
    expect(await tried({ ...bounded, retry: { budgetMs: 498 } })).toMatchObject({ attempts: 3, spentMs: 598 });
    expect(await tried({ ...bounded, retry: { budgetMs: 497 } })).toMatchObject({ attempts: 2, waits: [99] });
    await fc.assert(
      fc.asyncProperty(fc.nat(2_000), fc.nat(400), async (budgetMs, takesMs) => {
        const { spentMs } = await tried({ retry: { budgetMs }, ends: [failed], takesMs });
        expect(spentMs - takesMs).toBeLessThanOrEqual(budgetMs);
      }),
      { numRuns: 200 },
    );
  });

  it('wait as long as the other side asks for, if the budget allows it at all', async () => {
    const busy: FailureCause = { kind: 'status', status: 429, retryAfterMs: 7_000 };
    expect((await tried({ ends: [busy, null] })).waits).toEqual([7_000]);
    expect(await tried({ retry: { budgetMs: 6_999 }, ends: [busy, null] })).toMatchObject({ attempts: 1, waits: [], failure: busy });
  });

  it.each<[FailureCause, boolean, number]>([
    [{ kind: 'never_started' }, true, 5],
    [{ kind: 'refused' }, true, 5],
    [{ kind: 'timeout' }, true, 5],
    [{ kind: 'lost' }, true, 5],
    [{ kind: 'status', status: 503 }, true, 5],
    [{ kind: 'status', status: 429 }, true, 5],
    [{ kind: 'status', status: 404 }, true, 1],
    [{ kind: 'status', status: 501 }, true, 1],
    // Of what must not be done twice only that which was not done at all.
    [{ kind: 'never_started' }, false, 5],
    [{ kind: 'refused' }, false, 5],
    [{ kind: 'timeout' }, false, 1],
    [{ kind: 'lost' }, false, 1],
    [{ kind: 'status', status: 503 }, false, 1],
    [{ kind: 'exit_code', code: 1 }, false, 1],
  ])('after %j, idempotent: %s, are %i [H13]', async (cause, idempotent, attempts) => {
    expect((await tried({ ends: [cause], idempotent })).attempts).toBe(attempts);
  });

  it('are for the causes that are named', async () => {
    const retry = { on: ['timeout'] as const };
    expect((await tried({ retry, ends: [failed] })).attempts).toBe(1);
    expect((await tried({ retry, ends: [{ kind: 'timeout' }, failed] })).attempts).toBe(2);
  });

  it('are not made of what was ended from outside', async () => {
    expect((await tried({ ends: ['unclear'] })).attempts).toBe(1);
  });
});

describe('a wait before the next try', () => {
  it('ends at once when the run is ended, and nothing more is tried', async () => {
    const time = new VirtualTime();
    const controller = new AbortController();
    let attempts = 0;
    Object.assign(time.resilience, { pause });
    const policy = { retry: { ...retryPolicy, delayMs: 3_600_000, maxDelayMs: 3_600_000 }, breaker: null, idempotent: true };
    jest.spyOn(Math, 'random').mockReturnValue(0.5);
    const running = time.resilience.run(policy, controller.signal, async () => {
      attempts++;
      setImmediate(() => controller.abort());
      return { failure: failed };
    });
    await expect(running).resolves.toEqual({ failure: failed });
    expect(attempts).toBe(1);
  });
});

describe('a breaker around tries', () => {
  const policy = { retry: retryPolicy, breaker: breakerPolicy, idempotent: true };

  it('counts each of them, and ends them when it opens: what was tried has its own end [H13]', async () => {
    const time = new VirtualTime();
    const calls: number[] = [];
    const attempt = async (number: number) => {
      calls.push(number);
      return { failure: failed };
    };
    await time.resilience.run({ ...policy, retry: { ...retryPolicy, attempts: 3 } }, never(), attempt);
    await expect(time.resilience.run(policy, never(), attempt)).resolves.toEqual({ failure: failed });
    expect(calls).toEqual([1, 2, 3, 1, 2]);
    await expect(time.resilience.run(policy, never(), attempt)).rejects.toMatchObject({ code: 'breaker_open' });
    expect([calls.length, time.transitions]).toEqual([5, ['peer closed open']]);
  });

  it('takes an error that is not about the other side for no answer', async () => {
    const time = new VirtualTime();
    const mistake = new TypeError('a mistake');
    for (let count = 0; count < 10; count++)
      await expect(time.resilience.run(policy, never(), () => Promise.reject(mistake))).rejects.toBe(mistake);
    expect(time.resilience.breakers.find('peer')).toMatchObject({ counts: { unclear: 10, failed: 0 }, inFlight: 0 });
  });
});

describe('the breakers', () => {
  it('keep their state over a reload that does not change them, and lose it in one that does', async () => {
    const declared = [breakerPolicy];
    const time = new VirtualTime(declared);
    const { breakers } = time.resilience;
    const fail = async () => {
      for (let count = 0; count < 5; count++)
        await time.resilience.run({ retry: null, breaker: declared[0]!, idempotent: true }, never(), async () => ({ failure: failed }));
    };
    await fail();
    declared[0] = { ...breakerPolicy, on: [...breakerPolicy.on] };
    breakers.renew();
    expect(breakers.of(declared[0]).look().kind).toBe('open');
    const old = declared[0];
    declared[0] = { ...breakerPolicy, failures: 6 };
    breakers.renew();
    expect(breakers.of(declared[0]).look()).toEqual({ kind: 'closed', failures: 0 });
    await fail();
    // A run that began before the reload still names the old one, and changes nothing for those that come after.
    expect(breakers.of(old)).toBe(breakers.of(declared[0]));
    expect(breakers.of(declared[0]).look()).toEqual({ kind: 'closed', failures: 5 });
    declared.length = 0;
    expect(breakers.all()).toEqual([]);
    const own = breakers.of(old);
    expect([own.look().kind, breakers.all()]).toEqual(['closed', []]);
  });

  it('of the program itself stay, whatever the catalogue says', () => {
    const time = new VirtualTime([]);
    const { breakers } = time.resilience;
    breakers.register({ ...breakerPolicy, name: 'own' });
    const own = breakers.find('own');
    breakers.renew();
    expect([breakers.find('own'), breakers.all().length]).toEqual([own, 1]);
  });
});
