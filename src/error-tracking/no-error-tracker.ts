import { ErrorTracker, type ErrorTrackingStats } from '../domain/error-tracker.js';

const NOTHING: ErrorTrackingStats = { enabled: false, sent: 0, dropped: 0, failed: 0, last_error_at: null, last_failure_at: null };

/** Where nobody wants to be told: at the command line, and without SENTRY_DSN. */
export class NoErrorTracker extends ErrorTracker {
  report(): void {}

  samples(): boolean {
    return false;
  }

  trace(): void {}

  note(): void {}

  stats(): ErrorTrackingStats {
    return NOTHING;
  }

  async close(): Promise<void> {}
}
