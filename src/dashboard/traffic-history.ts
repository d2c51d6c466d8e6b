import type { Logger } from 'pino';
import type { Clock } from '../domain/ports.js';
import type { Metrics } from '../metrics/metrics.js';
import { type Snapshot, takeSnapshot } from './snapshot.js';
import { type Traffic, trafficBetween } from './traffic.js';

const EVERY_MS = 10_000;
const A_MINUTE = 6;
/** An hour, and the snapshot that it begins with. */
const KEPT = 60 * A_MINUTE + 1;

/** A minute of the last hour. */
export type Minute = Traffic & { /** Its end. */ readonly at: string };

/** Snapshots of what is counted, every ten seconds for an hour: whoever asks for a rate gets the difference of two. */
export class TrafficHistory {
  /** Oldest first. */
  private snapshots: Snapshot[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly metrics: Metrics,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.timer ??= setInterval(() => this.keep(), EVERY_MS).unref();
    this.keep();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** What happened in the last so many minutes, and in each minute of the last hour. */
  async look(windows: readonly number[]): Promise<{ readonly windows: readonly Traffic[]; readonly minutes: readonly Minute[] }> {
    const now = await this.take();
    return { windows: windows.map((minutes) => trafficBetween(this.before(now, minutes), now)), minutes: this.minutes() };
  }

  /** Public for tests, which have no minutes to wait. */
  async note(): Promise<void> {
    this.snapshots.push(await this.take());
    this.snapshots.splice(0, this.snapshots.length - KEPT);
  }

  private keep(): void {
    this.note().catch((error: unknown) => this.logger.warn({ err: error }, 'what is counted could not be noted for the dashboard'));
  }

  private take(): Promise<Snapshot> {
    return takeSnapshot(this.metrics, { at: this.clock.monotonic(), time: this.clock.now() });
  }

  /** The newest snapshot that is old enough, else the oldest. */
  private before(now: Snapshot, minutes: number): Snapshot {
    const old = this.snapshots.findLast(({ at }) => now.at - at >= minutes * 60_000);
    return old ?? this.snapshots[0] ?? now;
  }

  private minutes(): Minute[] {
    const ends = this.snapshots.filter((_snapshot, index) => (this.snapshots.length - 1 - index) % A_MINUTE === 0);
    return ends.slice(1).map((end, index) => ({ ...trafficBetween(ends[index] ?? end, end), at: end.time }));
  }
}
