import type { ErrorTracker } from '../domain/error-tracker.js';
import type { Launcher } from '../domain/launcher.js';
import { type Clock, type Measurement, Probe, type ReloadHealth } from '../domain/ports.js';

/** Whether programs are contained as far as the operator wants them to be. */
export class SandboxProbe extends Probe {
  readonly name = 'sandbox';
  override readonly critical = false;

  constructor(private readonly launcher: Launcher) {
    super();
  }

  async check(): Promise<readonly Measurement[]> {
    const { mode, profiles, gaps } = this.launcher.containment;
    const contained = Object.entries(profiles).map(([of, { contained: value }]) => ({ name: 'contained', of, value }));
    return [...contained, { name: 'gaps', value: gaps.length, ...(mode !== 'off' && gaps.length > 0 ? { warning: gaps.join(' ') } : {}) }];
  }
}

/** Whether what the files of settings and catalogue say is what is in force. */
export class ConfigurationProbe extends Probe {
  readonly name = 'configuration';
  override readonly critical = false;

  constructor(private readonly reloads: ReloadHealth) {
    super();
  }

  async check(): Promise<readonly Measurement[]> {
    const { lastReload } = this.reloads;
    if (!lastReload) return [];
    const { result, mistakes } = lastReload;
    const bad = result === 'rejected' || result === 'failed';
    const warning = bad ? { warning: 'The last reload did not succeed: the configuration before it stays in force.' } : {};
    return [
      { name: 'lastReload', value: result, ...warning },
      { name: 'mistakes', value: mistakes },
    ];
  }
}

/** A peer that has lost something is suspected for so long. */
const RECENT_MS = 10 * 60_000;

/** Whether what only a human can put right arrives where it is told. */
export class ErrorTrackingProbe extends Probe {
  readonly name = 'error_tracking';
  override readonly critical = false;

  constructor(
    private readonly errors: ErrorTracker,
    private readonly clock: Clock,
  ) {
    super();
  }

  async check(): Promise<readonly Measurement[]> {
    const { enabled, sent, dropped, failed, last_failure_at: failedAt } = this.errors.stats();
    if (!enabled) return [];
    const isRecent = failedAt !== null && Date.parse(this.clock.now()) - Date.parse(failedAt) < RECENT_MS;
    return [
      { name: 'sent', value: sent },
      { name: 'dropped', value: dropped },
      { name: 'failed', value: failed, ...(isRecent ? { warning: 'A report to SENTRY_DSN was lost in the last ten minutes.' } : {}) },
    ];
  }
}
