import type { CommandName } from '../domain/command.js';
import type { EventBus } from '../domain/ports.js';
import type { Run, RunOutcome } from '../domain/run.js';
import type { Metrics } from '../metrics/metrics.js';
import { CACHE_REQUESTS } from './result-sharing.js';
import type { Admission } from './admission.js';

/** Counts runs as they end, and shows slots and queue at each scrape. Returns the function that stops it. */
export function measureRuns(events: EventBus, metrics: Metrics, admission: Admission): () => void {
  metrics.show(metrics.runsActive, () => admission.active);
  metrics.show(metrics.runsQueued, () => admission.queued);
  metrics.show(metrics.runsLongestWait, () => admission.longestWaitMs / 1000);
  metrics.show(metrics.runsLimit, () => admission.limits.total);
  metrics.show(metrics.runsQueueLimit, () => admission.limits.queue);
  for (const result of CACHE_REQUESTS) metrics.cacheRequests.inc({ result }, 0);
  const series = new Map<string, (run: Run) => void>();
  return events.subscribe('run.finished', ({ run }) => {
    metrics.attempt(() => {
      const kind = run.outcome?.kind ?? 'lost';
      const key = `${kind} ${run.command}`;
      let count = series.get(key);
      if (!count) series.set(key, (count = bind(metrics, run.command, kind)));
      count(run);
    });
  });
}

/** Label children are bound once a series. */
function bind(metrics: Metrics, command: CommandName, outcome: RunOutcome['kind']): (run: Run) => void {
  const runs = metrics.runs.labels({ command, outcome });
  const labels = { command };
  return ({ id, status, durationMs, queuedAt, startedAt }) => {
    runs.inc();
    if (status === 'failed') metrics.runsFailed.inc(labels);
    if (durationMs === null || startedAt === null) return;
    metrics.time(metrics.runDuration, labels, durationMs / 1000, { run_id: id });
    metrics.runQueueTime.observe(Math.max(0, Date.parse(startedAt) - Date.parse(queuedAt)) / 1000);
  };
}
