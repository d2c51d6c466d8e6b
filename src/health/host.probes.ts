import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import { type Measurement, Probe, type ProbeKind } from '../domain/ports.js';
import type { EventLoopLag } from '../metrics/event-loop-lag.js';

const FULL_PERCENT = 95;

/** How full the memory is: that of the host or container, and the gateway's own heap. */
export class MemoryProbe extends Probe {
  readonly name = 'memory';
  override readonly kind: ProbeKind = 'system';
  override readonly critical = false;

  async check(): Promise<readonly Measurement[]> {
    const { heap_size_limit: heapLimit } = getHeapStatistics();
    const { rss, heapUsed } = process.memoryUsage();
    const limit = Math.min(process.constrainedMemory() || Infinity, totalmem());
    return [
      { name: 'resident', value: rss, unit: 'bytes' },
      used('utilization', 1 - process.availableMemory() / limit, 'The memory of the host or container is nearly full.'),
      used('heapUtilization', heapUsed / heapLimit, 'The heap of the gateway is nearly full.'),
    ];
  }
}

function used(name: string, share: number, warning: string): Measurement {
  const value = Math.round(share * 1_000) / 10;
  return { name, value, unit: 'percent', ...(value > FULL_PERCENT ? { warning } : {}) };
}

const LATE_SECONDS = 1;

/** How late the event loop is, over the last ten to twenty seconds before a question. */
export class EventLoopProbe extends Probe {
  readonly name = 'event_loop';
  override readonly kind: ProbeKind = 'system';
  override readonly critical = false;

  constructor(private readonly loop: EventLoopLag) {
    super();
  }

  async check(): Promise<readonly Measurement[]> {
    const { mean, p99, max } = this.loop.look();
    const warning = p99 > LATE_SECONDS ? { warning: 'The event loop is more than a second late.' } : {};
    return [
      { name: 'lagMean', value: inMs(mean), unit: 'ms' },
      { name: 'lagP99', value: inMs(p99), unit: 'ms', ...warning },
      { name: 'lagMax', value: inMs(max), unit: 'ms' },
    ];
  }
}

function inMs(seconds: number): number {
  return Math.round(seconds * 100_000) / 100;
}
