import type { CommandName } from '../domain/command.js';
import type { EventBus } from '../domain/ports.js';
import type { RunOutcome } from '../domain/run.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Admission } from './admission.js';

/** Counts runs as they end, and shows slots and queue at each scrape. Returns the function that stops it. */
export function measureRuns(events: EventBus, metrics: Metrics, admission: Admission): () => void {
  Object.assign(metrics.runsActive, { collect: () => metrics.runsActive.set(admission.active) });
  Object.assign(metrics.runsQueued, { collect: () => metrics.runsQueued.set(admission.queued) });
  const series = new Map<string, (durationMs: number | null) => void>();
  return events.subscribe('run.finished', ({ run: { command, outcome, durationMs } }) => {
    const kind = outcome?.kind ?? 'lost';
    const key = `${kind} ${command}`;
    let count = series.get(key);
    if (!count) series.set(key, (count = bind(metrics, command, kind)));
    count(durationMs);
  });
}

/** Label children are bound once a series. */
function bind(metrics: Metrics, command: CommandName, outcome: RunOutcome['kind']): (durationMs: number | null) => void {
  const runs = metrics.runs.labels({ command, outcome });
  const duration = metrics.runDuration.labels({ command });
  return (durationMs) => {
    runs.inc();
    if (durationMs !== null) duration.observe(durationMs / 1000);
  };
}
