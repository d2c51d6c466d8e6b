import { afterEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../test/kit/eventually.js';
import { ManualClock } from '../../test/kit/manual-clock.js';
import { SentryPeer, stopSentryPeers } from '../../test/kit/sentry-peer.js';
import type { RequestFacts } from '../domain/error-tracker.js';
import { Redaction } from '../redaction/redaction.js';
import { SentryErrorTracker } from './sentry-error-tracker.js';

/** Its two steps, and what a busy machine adds; a request of its own would be waited for five seconds. */
const CLOSED_WITHIN_MS = 4_000;

afterEach(stopSentryPeers);

function trackerFor(peer: SentryPeer): SentryErrorTracker {
  const options = { environment: 'test', tracesSampleRate: 1, profilesSampleRate: 0, clock: new ManualClock(), redaction: new Redaction() };
  return new SentryErrorTracker({ ...options, dsn: peer.dsn });
}

const request: RequestFacts = { requestId: 'req-1', traceId: 'ab'.repeat(16), method: 'GET', route: '/runs' } as RequestFacts;
const traced = { ...request, spanId: 'cd'.repeat(8), status: 200, durationMs: 3 };

function refuse(): never {
  throw new TypeError('nobody may look');
}

/** Errors that answer whoever looks at one of their properties with another error. */
function hostile(property: string): Error {
  return Object.defineProperty(new Error('outer'), property, { get: refuse });
}

const unreadable = (): Error => new Proxy(new Error('all of it'), { get: refuse, has: refuse, getPrototypeOf: refuse });

describe('the error tracker of Sentry', () => {
  it('throws nothing, whatever the error does to those who look at it', async () => {
    const peer = await SentryPeer.start();
    const tracker = trackerFor(peer);
    const errors = [...['name', 'message', 'stack', 'cause', 'code', 'toString'].map(hostile), unreadable()];
    for (const error of errors)
      for (const name of ['internal', 'unhandled', 'secrets_unreadable'] as const) {
        expect(() => tracker.report({ name, error, request })).not.toThrow();
        expect(() => tracker.report({ name, error: new Error('inner one', { cause: error }), request })).not.toThrow();
      }
    const unreadableRequest = Object.defineProperty({ ...traced }, 'route', { get: refuse });
    expect(() => tracker.trace(unreadableRequest)).not.toThrow();
    expect(tracker.stats()).toMatchObject({ last_failure_at: expect.any(String) });
    expect(tracker.stats().failed).toBeGreaterThan(1);
    // It goes on as if nothing had happened.
    tracker.report({ name: 'unhandled', error: new RangeError('plain'), request });
    tracker.trace(traced);
    await eventually(() => peer.transactions.length === 1 && JSON.stringify(peer.events).includes('RangeError'));
    await tracker.close();
    expect(peer.complaints).toEqual([]);
  });

  it('ends in its time although the peer answers nothing, and leaves no request behind', async () => {
    const peer = await SentryPeer.start();
    peer.mood = 'stall';
    const tracker = trackerFor(peer);
    for (let count = 0; count < 8; count += 1) tracker.trace(traced);
    await eventually(() => peer.requests === 8);
    const start = performance.now();
    await tracker.close();
    expect(performance.now() - start).toBeLessThan(CLOSED_WITHIN_MS);
    await eventually(() => tracker.stats().failed === 8, 1_000);
  });
});
