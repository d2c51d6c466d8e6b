import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { ManualClock } from '../../test/kit/manual-clock.js';
import { Metrics } from '../metrics/metrics.js';
import { TrafficHistory } from './traffic-history.js';

function history() {
  const [metrics, clock] = [new Metrics(), new ManualClock()];
  const traffic = new TrafficHistory(metrics, clock, pino({ level: 'silent' }));
  const answer = (route: string, status: number, seconds: number, times = 1) => {
    for (let count = 0; count < times; count++) {
      metrics.httpRequests.inc({ method: 'GET', route, status });
      metrics.time(metrics.httpDuration, { method: 'GET', route }, seconds, { trace_id: 'x' });
    }
  };
  /** So many seconds pass, in steps of ten. */
  const pass = async (seconds: number) => {
    for (let passed = 0; passed < seconds; passed += 10) {
      clock.advance(10_000);
      await traffic.note();
    }
  };
  return { metrics, clock, traffic, answer, pass };
}

describe('the traffic', () => {
  it('of a window is what came within it, and of a young gateway what came so far', async () => {
    const { traffic, answer, pass, clock } = history();
    await traffic.note();
    answer('/runs', 200, 0.004, 30);
    clock.advance(10_000);
    expect((await traffic.look([15])).windows).toMatchObject([{ seconds: 10, requests: 30, perSecond: 3 }]);
    await pass(110);
    answer('/runs', 500, 0.004, 3);
    answer('/runs', 404, 0.004, 3);
    await pass(50);
    const { windows } = await traffic.look([1, 5]);
    expect(windows).toMatchObject([
      { seconds: 60, requests: 6, perSecond: 0.1, failures: 3, refusals: 3, failureRatio: 0.5 },
      { seconds: 170, requests: 36, failures: 3 },
    ]);
  });

  it('counts no probes, and tells its own latency from that of commands', async () => {
    const { traffic, answer, clock } = history();
    await traffic.note();
    answer('/ready', 503, 0.001, 1_000);
    answer('/metrics', 200, 3, 1_000);
    answer('/runs', 200, 0.006, 90);
    answer('/run', 200, 8, 10);
    clock.advance(10_000);
    const [window] = (await traffic.look([1])).windows;
    expect(window).toMatchObject({ requests: 100, failures: 0 });
    expect(window?.latency).toEqual({ averageMs: 805.4, p50Ms: 7.778, p95Ms: 8_750, p99Ms: 9_750 });
    expect(window?.ownLatency).toMatchObject({ averageMs: 6, p50Ms: 7.5, p99Ms: 9.95 });
    expect((await traffic.look([1])).windows[0]).toEqual(window);
  });

  it('has no latency where nothing came, and keeps an hour and no more', async () => {
    const { traffic, answer, pass } = history();
    await traffic.note();
    await pass(3_000);
    answer('/runs', 200, 0.004, 6);
    await pass(1_200);
    const { windows, minutes } = await traffic.look([1, 60]);
    expect(windows[0]?.latency).toEqual({ averageMs: null, p50Ms: null, p95Ms: null, p99Ms: null });
    expect(windows[1]).toMatchObject({ seconds: 3_600, requests: 6 });
    expect(minutes).toHaveLength(60);
    expect(minutes.map(({ seconds }) => seconds)).toEqual(Array.from({ length: 60 }, () => 60));
    expect(minutes.flatMap(({ requests }, index) => (requests > 0 ? [[index, requests]] : []))).toEqual([[40, 6]]);
    expect(minutes.at(-1)?.at).toBe('2026-01-01T01:10:00.000Z');
  });
});
