import type { Provider } from '@nestjs/common';
import type { Settings } from '../config/settings.schema.js';
import { ErrorTracker } from '../domain/error-tracker.js';
import { Clock, EventBus } from '../domain/ports.js';
import { Redaction } from '../redaction/redaction.js';
import { NoErrorTracker } from './no-error-tracker.js';
import { noteHappenings } from './note-happenings.js';

/**
 * The tracker that the settings ask for. The SDK is loaded here and nowhere else: without a DSN it costs neither time nor memory.
 * @param reports whether this process tells anybody at all
 */
export function errorTracking(settings: Settings, reports = false): Provider {
  const { SENTRY_DSN: dsn, SENTRY_TRACES_SAMPLE_RATE, SENTRY_PROFILES_SAMPLE_RATE, ENVIRONMENT } = settings;
  return {
    provide: ErrorTracker,
    inject: [Clock, Redaction, EventBus],
    useFactory: async (clock: Clock, redaction: Redaction, events: EventBus): Promise<ErrorTracker> => {
      if (dsn === undefined || !reports) return new NoErrorTracker();
      const { SentryErrorTracker } = await import('./sentry-error-tracker.js');
      const tracker = new SentryErrorTracker({
        dsn,
        environment: ENVIRONMENT,
        tracesSampleRate: SENTRY_TRACES_SAMPLE_RATE,
        profilesSampleRate: SENTRY_PROFILES_SAMPLE_RATE,
        clock,
        redaction,
      });
      noteHappenings(events, tracker);
      return tracker;
    },
  };
}
