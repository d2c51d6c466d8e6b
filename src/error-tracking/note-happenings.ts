import type { ErrorTracker } from '../domain/error-tracker.js';
import type { EventBus } from '../domain/ports.js';

/** Keeps what happens in mind, for whoever looks for the cause of a failure. */
export function noteHappenings(events: EventBus, tracker: ErrorTracker): void {
  events.subscribe('run.finished', ({ run: { id, command, status } }) =>
    tracker.note({ kind: 'run finished', command, status, runId: id }),
  );
  events.subscribe('catalogue.replaced', () => tracker.note({ kind: 'catalogue replaced' }));
  events.subscribe('settings.changed', () => tracker.note({ kind: 'settings changed' }));
}
