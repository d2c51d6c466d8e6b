import { describe, expect, it, jest } from '@jest/globals';
import { circuitBreaker, ConsecutiveBreaker, handleAll, retry, ConstantBackoff } from 'cockatiel';
import { leftWithin, toldWithin } from './time-limits.js';

/** What we do not take from the library, and why: when one of these fails, `docs/adr/0034-resilience.md` wants to be read again. */
describe('the library', () => {
  const fails = () => Promise.reject(new Error('no'));
  const broken = async (halfOpenAfter: number) => {
    const breaker = circuitBreaker(handleAll, { halfOpenAfter, breaker: new ConsecutiveBreaker(1) });
    await breaker.execute(fails).catch(() => undefined);
    return breaker;
  };

  it('opens and closes by the wall clock', async () => {
    const breaker = await broken(30_000);
    const later = Date.now() + 30_000;
    const clock = jest.spyOn(Date, 'now').mockReturnValue(later);
    await expect(breaker.execute(() => 'in')).resolves.toBe('in');
    clock.mockRestore();
  });

  it('lets callers wait for a probe, also those who have gone', async () => {
    const breaker = await broken(0);
    const probe = Promise.withResolvers<string>();
    const probing = breaker.execute(() => probe.promise);
    const controller = new AbortController();
    let ended = false;
    const waiting = breaker
      .execute(() => 'second', controller.signal)
      .then(
        () => (ended = true),
        () => (ended = true),
      );
    controller.abort();
    await new Promise((resolve) => setImmediate(resolve));
    expect(ended).toBe(false);
    probe.resolve('first');
    await Promise.all([probing, waiting]);
  });

  it('waits between tries for those who have gone', async () => {
    const controller = new AbortController();
    const policy = retry(handleAll, { maxAttempts: 1, backoff: new ConstantBackoff(30) });
    policy.onRetry(() => controller.abort());
    const started = performance.now();
    await expect(policy.execute(fails, controller.signal)).rejects.toThrow('no');
    expect(performance.now() - started).toBeGreaterThan(20);
  });
});

describe('what we take from it', () => {
  it('tells work that its time is over, and waits for its end', async () => {
    const outer = new AbortController();
    const end = await toldWithin(
      5,
      outer.signal,
      (signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('ended'))),
    );
    expect([end, outer.signal.aborted]).toEqual(['ended', false]);
  });

  it('leaves no signal aborted of work that ended in time', async () => {
    let given: AbortSignal | undefined;
    await toldWithin(60_000, new AbortController().signal, async (signal) => void (given = signal));
    expect(given?.aborted).toBe(false);
  });

  it('leaves work that does not listen', async () => {
    await expect(leftWithin(5, new AbortController().signal, () => new Promise(() => undefined))).rejects.toThrow();
  });
});
