import { describe, expect, it } from '@jest/globals';
import { breakerPolicy, retryPolicy, VirtualTime } from '../../test/kit/guards.js';
import { GatewayError } from '../domain/errors.js';
import { type CallPolicy, guardedCall } from './guarded-call.js';
import type { Resilience } from './resilience.js';
import { Resilient } from './resilient.js';

const policy: CallPolicy = { retry: retryPolicy, breaker: breakerPolicy, idempotent: true, timeoutMs: 60_000 };
const unwell = () => new GatewayError('executor_unavailable', 'Not now.', { failure: { kind: 'status', status: 503 } });

class Peer {
  calls = 0;

  constructor(
    readonly resilience: Resilience,
    private readonly failures: number,
  ) {}

  @Resilient(policy)
  async ask(question: string, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    if (++this.calls <= this.failures) throw unwell();
    return `${question}!`;
  }

  @Resilient({ ...policy, retry: null, timeoutMs: 5 })
  hang(_signal: AbortSignal): Promise<never> {
    this.calls++;
    return new Promise(() => undefined);
  }
}

describe('a resilient method', () => {
  it('is tried again, and gives what the last try gave', async () => {
    const peer = new Peer(new VirtualTime().resilience, 2);
    await expect(peer.ask('well', new AbortController().signal)).resolves.toBe('well!');
    expect(peer.calls).toBe(3);
  });

  it('throws what the last try threw, and is refused while the breaker is open', async () => {
    const { resilience } = new VirtualTime();
    const peer = new Peer(resilience, Infinity);
    await expect(peer.ask('well', new AbortController().signal)).rejects.toMatchObject({ message: 'Not now.' });
    await expect(peer.ask('well', new AbortController().signal)).rejects.toMatchObject({ code: 'breaker_open' });
    expect(peer.calls).toBe(5);
  });

  it('costs its caller no more than the timeout, though nothing listens', async () => {
    const { resilience } = new VirtualTime();
    const peer = new Peer(resilience, 0);
    const { signal } = new AbortController();
    const hung = await Promise.allSettled(Array.from({ length: 100 }, () => peer.hang(signal)));
    for (const end of hung)
      expect(end).toMatchObject({ reason: { code: 'executor_unavailable', extra: { failure: { kind: 'timeout' } } } });
    expect([peer.calls, resilience.breakers.find('peer')?.look().kind]).toEqual([100, 'open']);
  });
});

describe('a guarded call', () => {
  it('ends at once with the reason of its signal, which is no failure of the other side', async () => {
    const { resilience } = new VirtualTime();
    const controller = new AbortController();
    const reason = new GatewayError('draining', 'Enough.');
    const calling = guardedCall(resilience, policy, () => new Promise<never>(() => undefined), controller.signal);
    controller.abort(reason);
    await expect(calling).rejects.toBe(reason);
    await expect(guardedCall(resilience, policy, () => Promise.resolve(1), controller.signal)).rejects.toBe(reason);
    expect(resilience.breakers.find('peer')?.counts).toMatchObject({ failed: 0, unclear: 1 });
  });

  it('tells what it calls when the time is over', async () => {
    const { resilience } = new VirtualTime();
    let told: AbortSignal | undefined;
    const calling = guardedCall(resilience, { ...policy, retry: null, timeoutMs: 5 }, (signal) => {
      told = signal;
      return new Promise<never>(() => undefined);
    });
    await expect(calling).rejects.toMatchObject({ code: 'executor_unavailable' });
    expect(told?.aborted).toBe(true);
  });

  it('throws what its work threw, also where that tells of a time-out of its own', async () => {
    const { resilience } = new VirtualTime();
    const error = new GatewayError('executor_unavailable', 'The peer took too long.', { failure: { kind: 'timeout' } });
    await expect(guardedCall(resilience, { ...policy, retry: null }, () => Promise.reject(error))).rejects.toBe(error);
    expect(resilience.breakers.find('peer')?.counts).toMatchObject({ failed: 1 });
  });

  it('leaves alone what it cannot judge, and asks who can', async () => {
    const { resilience } = new VirtualTime();
    let calls = 0;
    const work = async () => {
      calls++;
      throw new RangeError('what is that?');
    };
    await expect(guardedCall(resilience, policy, work)).rejects.toThrow(RangeError);
    expect(calls).toBe(1);
    const judged: CallPolicy = {
      ...policy,
      breaker: null,
      causeOf: (error) => (error instanceof RangeError ? { kind: 'lost' } : undefined),
    };
    await expect(guardedCall(resilience, judged, work)).rejects.toThrow(RangeError);
    expect(calls).toBe(6);
  });

  it.each([0, -1, NaN, Infinity, 86_400_001])('has no timeout of %d ms', async (timeoutMs) => {
    const { resilience } = new VirtualTime();
    await expect(guardedCall(resilience, { ...policy, timeoutMs }, () => Promise.resolve(1))).rejects.toMatchObject({ code: 'internal' });
  });
});
