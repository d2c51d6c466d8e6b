import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import type { Logger } from 'pino';
import type { AuthObserver } from './auth/auth-observer.js';
import { AUTH_FAILURES } from './auth/authenticator.js';
import type { Catalogue } from './commands/catalogue.js';
import { VERSION } from './config/version.js';
import { ERRORS } from './domain/errors.js';
import type { RunOutcome } from './domain/run.js';
import { TRIPWIRE_RULES } from './domain/tripwire.js';
import type { ReadinessService } from './health/readiness.js';
import type { ProcessLauncher } from './launcher/process-launcher.js';
import type { LogProbe } from './logging/log-outlet.js';
import type { Metrics } from './metrics/metrics.js';
import { REDACTION_KINDS } from './redaction/masks.js';
import { BREAKER_STATES } from './domain/resilience.js';
import type { Resilience } from './resilience/resilience.js';
import type { OutcomeBacklog } from './runs/outcome-backlog.js';
import type { DiskProbe } from './storage/disk.probe.js';
import type { SqliteDb } from './storage/sqlite/sqlite-db.js';
import { DROP_REASONS, type SpanFate } from './tracing/span-queue.js';

interface StatefulRooms {
  readonly storage: SqliteDb;
  readonly catalogue: Catalogue;
  readonly launcher: ProcessLauncher;
  readonly readiness: ReadinessService;
  readonly backlog: OutcomeBacklog;
  readonly resilience: Resilience;
  readonly disk: DiskProbe;
  readonly logs: LogProbe;
}

/** Shows at each scrape what the rooms know of themselves. */
export function showState(metrics: Metrics, rooms: StatefulRooms): void {
  const { readiness, launcher, storage, backlog } = rooms;
  metrics.buildInfo.set({ version: VERSION }, 1);
  metrics.show(metrics.draining, () => (readiness.isDraining ? 1 : 0));
  metrics.showEach(metrics.serviceHealthy, async () =>
    Object.entries(await readiness.ask()).map(([service, { status }]) => [{ service }, status === 'failing' ? 0 : 1]),
  );
  metrics.showCount(metrics.storageCommits, () => storage.statistics.commits);
  metrics.showCount(metrics.storageTransactions, () => storage.statistics.transactions);
  metrics.show(metrics.storageWaiting, () => storage.waiting);
  metrics.show(metrics.runEndsWaiting, () => backlog.size);
  metrics.show(metrics.executorHosts, () => launcher.counts.hosts);
  metrics.show(metrics.sandboxesKept, () => launcher.counts.sandboxes);
  metrics.showEach(metrics.sandboxContained, () =>
    Object.entries(launcher.containment.profiles).map(([profile, { contained }]) => [{ profile }, contained ? 1 : 0]),
  );
  showLogs(metrics, rooms.logs);
  showRoom(metrics, rooms.disk);
  showCatalogue(metrics, rooms.catalogue, rooms.resilience);
  beginAtZero(metrics);
}

function showLogs(metrics: Metrics, { outlets }: LogProbe): void {
  metrics.showEach(metrics.logWritable, () => outlets.map(({ log, failure }) => [{ log }, failure === undefined ? 1 : 0]));
  metrics.showCount(metrics.logLinesLost, () => outlets.reduce((sum, { linesLost }) => sum + linesLost, 0));
}

/** What is left of disk and memory. */
function showRoom(metrics: Metrics, disk: DiskProbe): void {
  metrics.show(metrics.diskFree, async () => (await disk.space()).freeBytes);
  metrics.show(metrics.diskSize, async () => (await disk.space()).sizeBytes);
  metrics.show(metrics.memoryAvailable, () => process.availableMemory());
  metrics.show(metrics.memoryLimit, memoryLimit);
  metrics.show(metrics.heapLimit, () => getHeapStatistics().heap_size_limit);
}

/** Without a limit of its own Node says 0, or more than there is. */
function memoryLimit(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** Its commands come and go with a reload, and with them their breakers and the series that begin at zero. */
function showCatalogue(metrics: Metrics, catalogue: Catalogue, resilience: Resilience): void {
  let digest: string | undefined;
  metrics.beforeScrape(() => {
    if (digest === catalogue.digest) return;
    digest = catalogue.digest;
    beginCommandsAtZero(metrics, catalogue);
    for (const { policy } of resilience.breakers.all())
      for (const to of BREAKER_STATES) metrics.breakerTransitions.inc({ name: policy.name, to }, 0);
  });
  metrics.show(metrics.catalogueCommands, () => catalogue.all().length);
  metrics.show(metrics.catalogueLoaded, () => Date.parse(catalogue.loadedAt ?? '1970-01-01T00:00:00Z') / 1000);
  metrics.showEach(metrics.breakerState, () =>
    resilience.breakers.all().map((breaker) => [{ name: breaker.policy.name }, BREAKER_STATES.indexOf(breaker.look().kind)]),
  );
}

/** By what carries them out: only a call is answered, and it never exits. */
const OUTCOMES = {
  exited: 'program',
  timed_out: 'both',
  cancelled: 'both',
  rejected: 'both',
  failed_to_start: 'both',
  answered: 'call',
  unanswered: 'call',
  lost: 'both',
} satisfies Record<RunOutcome['kind'], 'program' | 'call' | 'both'>;

/** A series that appears with its first event hides it from `rate` and `increase`: they see only what comes after. */
function beginCommandsAtZero(metrics: Metrics, catalogue: Catalogue): void {
  for (const { name: command, retry, executor, agent } of catalogue.all()) {
    const other = executor === 'http' ? 'program' : 'call';
    for (const [outcome, kind] of Object.entries(OUTCOMES)) if (kind !== other) metrics.runs.inc({ command, outcome }, 0);
    metrics.runsFailed.inc({ command }, 0);
    if (retry) metrics.retries.inc({ command }, 0);
    if (!agent) continue;
    for (const counter of [metrics.agentSessions, metrics.agentInstructions])
      for (const [outcome, kind] of Object.entries(OUTCOMES)) if (kind !== other) counter.inc({ command, outcome }, 0);
    metrics.agentMalformedLines.inc({ command }, 0);
  }
}

function beginAtZero(metrics: Metrics): void {
  for (const code of Object.keys(ERRORS)) metrics.errors.inc({ code }, 0);
  for (const reason of AUTH_FAILURES) metrics.authFailures.inc({ reason }, 0);
  for (const scope of ['key', 'address', 'command']) metrics.rateLimited.inc({ scope }, 0);
  for (const rule of TRIPWIRE_RULES) metrics.blockedCommands.inc({ rule }, 0);
  for (const kind of REDACTION_KINDS) metrics.redactions.inc({ kind }, 0);
  for (const reason of DROP_REASONS) metrics.traceSpansDropped.inc({ reason }, 0);
}

export function observeTraces(metrics: Metrics, logger: Logger): SpanFate {
  return {
    exported: (count) => metrics.traceSpansExported.inc(count),
    dropped: (count, reason) => metrics.traceSpansDropped.inc({ reason }, count),
    troubled: (reason) => {
      if (reason === undefined) logger.info('the trace collector takes traces again');
      else logger.warn({ reason }, 'the trace collector does not take traces: they wait, and those without room are dropped and counted');
    },
  };
}

export function observeAuth(metrics: Metrics, logger: Logger): AuthObserver {
  return {
    authFailed: (reason) => metrics.authFailures.inc({ reason }),
    rateLimited: (scope) => metrics.rateLimited.inc({ scope }),
    touchFailed: (error) => logger.warn({ err: error }, 'the last use of a key could not be noted'),
    watchFailed: (error) => logger.warn({ err: error }, 'whether the keys of open answers still hold could not be looked up'),
  };
}
