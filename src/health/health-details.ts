import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Freeze } from '../domain/policy.js';
import type { Launcher } from '../domain/launcher.js';
import type { Clock, ReloadHealth, ReloadOutcome } from '../domain/ports.js';
import type { ContainmentReport } from '../domain/sandbox.js';
import { VERSION } from '../config/version.js';
import type { FreezeBook } from '../runs/freeze-book.js';
import type { ProbeResult, ReadinessService } from './readiness.js';

/** `healthy`; `degraded`: works, but less than it is set up for; `limited`: part of the work is refused. */
export type HealthStatus = 'healthy' | 'degraded' | 'limited';

/** What `GET /health/details` answers. */
export interface HealthDetails {
  readonly status: HealthStatus;
  readonly version: string;
  readonly uptime_seconds: number;
  readonly timestamp: string;
  readonly draining: boolean;
  readonly services: Readonly<Record<string, ProbeResult>>;
  readonly containment: ContainmentReport;
  /** What admins have frozen. */
  readonly freezes: readonly Freeze[];
  /** The last reload of settings and catalogue; null before the first. While it has failed, the last good ones are in force. */
  readonly last_reload: ReloadOutcome | null;
  readonly memory: { readonly rss_bytes: number; readonly heap_used_bytes: number };
  /** Since the last question. */
  readonly event_loop_lag_ms: { readonly mean: number; readonly p99: number; readonly max: number };
}

const NANOSECONDS_PER_MS = 1e6;

/** Everything that the gateway knows of its own health, for those who hold a key. */
export class HealthDetailsService {
  private readonly startedAt: number;
  private lag: ReturnType<typeof monitorEventLoopDelay> | undefined;

  constructor(
    private readonly readiness: ReadinessService,
    private readonly launcher: Launcher,
    private readonly clock: Clock,
    private readonly freezes: FreezeBook,
    private readonly reloads: ReloadHealth,
  ) {
    this.startedAt = clock.monotonic();
  }

  async describe(): Promise<HealthDetails> {
    const services = await this.readiness.ask();
    const { containment } = this.launcher;
    const { lastReload } = this.reloads;
    const { rss, heapUsed } = process.memoryUsage();
    return {
      status: statusOf(
        Object.values(services),
        this.readiness.isDraining || this.freezes.list().length > 0,
        hasGaps(containment) || hasFailed(lastReload),
      ),
      version: VERSION,
      uptime_seconds: Math.round(this.clock.monotonic() - this.startedAt) / 1000,
      timestamp: this.clock.now(),
      draining: this.readiness.isDraining,
      services,
      containment,
      freezes: this.freezes.list(),
      last_reload: lastReload,
      memory: { rss_bytes: rss, heap_used_bytes: heapUsed },
      event_loop_lag_ms: this.readLag(),
    };
  }

  /** Measured from the first question on: nobody pays for what nobody asks. */
  private readLag(): HealthDetails['event_loop_lag_ms'] {
    if (!this.lag) {
      this.lag = monitorEventLoopDelay({ resolution: 20 });
      this.lag.enable();
      return { mean: 0, p99: 0, max: 0 };
    }
    const inMs = (nanoseconds: number) => Math.round(nanoseconds / NANOSECONDS_PER_MS / 0.01) * 0.01;
    const { mean, max } = this.lag;
    const result = { mean: Number.isNaN(mean) ? 0 : inMs(mean), p99: inMs(this.lag.percentile(99)), max: inMs(max) };
    this.lag.reset();
    return result;
  }
}

function statusOf(services: readonly ProbeResult[], refuses: boolean, isLess: boolean): HealthStatus {
  if (refuses || services.some(({ status }) => status === 'failing')) return 'limited';
  return isLess ? 'degraded' : 'healthy';
}

function hasGaps({ mode, gaps }: ContainmentReport): boolean {
  return mode !== 'off' && gaps.length > 0;
}

function hasFailed(reload: ReloadOutcome | null): boolean {
  return reload?.result === 'rejected' || reload?.result === 'failed';
}
