import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge } from 'prom-client';
import type { OpenRegistry } from './exposition.js';

const WINDOW_MS = 10_000;
const NANOSECONDS_PER_SECOND = 1e9;

/** Seconds. */
export interface LoopLag {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

const NO_LAG: LoopLag = { min: 0, max: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0 };

/**
 * How late the event loop is, over the last ten to twenty seconds before a question, whoever else asks. Measured from the first one on: nobody pays
 * for what nobody asks.
 */
export class EventLoopLag {
  private readonly delays = monitorEventLoopDelay({ resolution: 20 });
  private windowBegan: number | undefined;
  private before = NO_LAG;
  private stopped = false;

  /** Gauges of the names that Node's metrics have everywhere. */
  register(registry: OpenRegistry): void {
    const registers = [registry];
    const gauges = Object.keys(NO_LAG).map((name) => [
      name as keyof LoopLag,
      new Gauge({ name: `nodejs_eventloop_lag_${name}_seconds`, help: `Delay of the event loop: ${name}.`, registers }),
    ]) as readonly (readonly [keyof LoopLag, Gauge])[];
    // The first that is collected sets all.
    const collect = () => {
      const lag = this.look();
      for (const [name, gauge] of gauges) gauge.set(lag[name]);
    };
    Object.assign(gauges[0]?.[1] ?? {}, { collect });
  }

  /** The worse of this window and the one before: whoever asks first in a new one hides nothing from the next. */
  look(): LoopLag {
    const now = performance.now();
    if (this.windowBegan === undefined) {
      this.windowBegan = now;
      if (!this.stopped) this.delays.enable();
      return NO_LAG;
    }
    const present = lagOf(this.delays);
    const worse = present.p99 >= this.before.p99 ? present : this.before;
    if (now - this.windowBegan > WINDOW_MS) {
      this.before = now - this.windowBegan > 2 * WINDOW_MS ? NO_LAG : present;
      this.windowBegan = now;
      this.delays.reset();
    }
    return worse;
  }

  /** For good. */
  stop(): void {
    this.stopped = true;
    this.delays.disable();
  }
}

function lagOf(delays: ReturnType<typeof monitorEventLoopDelay>): LoopLag {
  if (delays.count === 0) return NO_LAG;
  const seconds = (nanoseconds: number) => nanoseconds / NANOSECONDS_PER_SECOND;
  const { min, max, mean, stddev } = delays;
  const [p50, p90, p99] = [delays.percentile(50), delays.percentile(90), delays.percentile(99)];
  return {
    ...{ min: seconds(min), max: seconds(max), mean: seconds(mean), stddev: seconds(stddev) },
    ...{ p50: seconds(p50), p90: seconds(p90), p99: seconds(p99) },
  };
}
