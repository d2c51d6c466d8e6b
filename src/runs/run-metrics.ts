import type { EventBus } from '../domain/ports.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Admission } from './admission.js';

/** Counts runs as they end, and shows slots and queue at each scrape. Returns the function that stops it. */
export function measureRuns(events: EventBus, metrics: Metrics, admission: Admission): () => void {
  Object.assign(metrics.runsActive, { collect: () => metrics.runsActive.set(admission.active) });
  Object.assign(metrics.runsQueued, { collect: () => metrics.runsQueued.set(admission.queued) });
  return events.subscribe('run.finished', ({ run }) => {
    metrics.runs.inc({ command: run.command, outcome: run.outcome?.kind ?? 'lost' });
    if (run.durationMs !== null) metrics.runDuration.observe({ command: run.command }, run.durationMs / 1000);
  });
}
