import type { ErrorTracker, ErrorTrackingStats } from '../domain/error-tracker.js';
import type { Freeze } from '../domain/policy.js';
import type { Launcher } from '../domain/launcher.js';
import type { Clock, Measurement, ReloadHealth, ReloadOutcome } from '../domain/ports.js';
import type { ContainmentReport } from '../domain/sandbox.js';
import { VERSION } from '../config/version.js';
import type { FreezeBook } from '../runs/freeze-book.js';
import type { Verdict } from './examination.js';
import { checksOf, type HealthJson, healthJson } from './health-json.js';
import type { Examined, ReadinessService } from './readiness.js';

/** `healthy`; `degraded`: works, but less than it is set up for; `limited`: part of the work is refused. */
export type HealthStatus = 'healthy' | 'degraded' | 'limited';

/** What a room said of itself. */
export type ServiceHealth = Verdict & {
  readonly critical: boolean;
  readonly checked_at: string;
  readonly duration_ms: number;
  readonly measured: readonly Measurement[];
};

/** What `GET /health/details` answers. */
export interface HealthDetails {
  readonly status: HealthStatus;
  readonly version: string;
  readonly environment: string;
  readonly uptime_seconds: number;
  readonly timestamp: string;
  readonly draining: boolean;
  readonly services: Readonly<Record<string, ServiceHealth>>;
  /** Outside services that commands use: the gateway is ready without them. */
  readonly providers: Readonly<Record<string, ServiceHealth>>;
  readonly containment: ContainmentReport;
  /** What admins have frozen. */
  readonly freezes: readonly Freeze[];
  /** The last reload of settings and catalogue; null before the first. While it has failed, the last good ones are in force. */
  readonly last_reload: ReloadOutcome | null;
  readonly error_tracking: ErrorTrackingStats;
}

/** The same in both forms, of one moment. */
export interface HealthReport {
  readonly details: HealthDetails;
  readonly healthJson: () => HealthJson;
}

export interface HealthRooms {
  readonly readiness: ReadinessService;
  readonly launcher: Launcher;
  readonly clock: Clock;
  readonly freezes: FreezeBook;
  readonly reloads: ReloadHealth;
  readonly errors: ErrorTracker;
  readonly environment: string;
}

/** Everything that the gateway knows of its own health, for those who hold a key. */
export class HealthDetailsService {
  private readonly startedAt: number;

  constructor(private readonly rooms: HealthRooms) {
    this.startedAt = rooms.clock.monotonic();
  }

  get uptimeSeconds(): number {
    return Math.round(this.rooms.clock.monotonic() - this.startedAt) / 1000;
  }

  async describe(): Promise<HealthReport> {
    const { readiness, launcher, clock, freezes, reloads, errors, environment } = this.rooms;
    const examined = await readiness.examineAll();
    const status = statusOf(examined, readiness.isDraining, freezes.list().length > 0);
    const details: HealthDetails = {
      status,
      version: VERSION,
      environment,
      uptime_seconds: this.uptimeSeconds,
      timestamp: clock.now(),
      draining: readiness.isDraining,
      services: byName(examined.filter(({ probe }) => probe.kind !== 'provider')),
      providers: byName(examined.filter(({ probe }) => probe.kind === 'provider')),
      containment: launcher.containment,
      freezes: freezes.list(),
      last_reload: reloads.lastReload,
      error_tracking: errors.stats(),
    };
    const fails = readiness.isDraining || examined.some(failsCritically);
    return {
      details,
      healthJson: () =>
        healthJson(fails ? 'fail' : status === 'healthy' ? 'pass' : 'warn', {
          checks: { uptime: [{ observedValue: details.uptime_seconds, observedUnit: 's', status: 'pass' }], ...checksOf(examined) },
        }),
    };
  }
}

function byName(examined: readonly Examined[]): Record<string, ServiceHealth> {
  return Object.fromEntries(examined.map((one) => [one.probe.name, serviceOf(one)]));
}

function serviceOf({ probe, finding: { verdict, measured, at, durationMs } }: Examined): ServiceHealth {
  return { ...verdict, critical: probe.critical, checked_at: at, duration_ms: durationMs, measured };
}

function statusOf(examined: readonly Examined[], draining: boolean, frozen: boolean): HealthStatus {
  if (draining || frozen || examined.some(failsCritically)) return 'limited';
  return examined.every(({ finding }) => finding.verdict.status === 'ok') ? 'healthy' : 'degraded';
}

function failsCritically({ probe, finding }: Examined): boolean {
  return probe.critical && finding.verdict.status === 'failing';
}
