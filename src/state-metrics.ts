import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';
import type { Logger } from 'pino';
import type { AuthObserver } from './auth/auth-observer.js';
import { AUTH_FAILURES } from './auth/authenticator.js';
import type { Catalogue } from './commands/catalogue.js';
import { VERSION } from './config/version.js';
import { ERRORS } from './domain/errors.js';
import type { RunOutcome } from './domain/run.js';
import type { ReadinessService } from './health/readiness.js';
import type { ProcessLauncher } from './launcher/process-launcher.js';
import type { Metrics } from './metrics/metrics.js';
import { REDACTION_KINDS } from './redaction/masks.js';
import { BREAKER_STATES, type Resilience } from './resilience/resilience.js';
import type { OutcomeBacklog } from './runs/outcome-backlog.js';
import type { DiskProbe } from './storage/disk.probe.js';
import type { SqliteDb } from './storage/sqlite/sqlite-db.js';

interface StatefulRooms {
  readonly storage: SqliteDb;
  readonly catalogue: Catalogue;
  readonly launcher: ProcessLauncher;
  readonly readiness: ReadinessService;
  readonly backlog: OutcomeBacklog;
  readonly resilience: Resilience;
  readonly disk: DiskProbe;
}

/** Shows at each scrape what the rooms know of themselves. */
export function showState(metrics: Metrics, rooms: StatefulRooms): void {
  const { readiness, launcher, storage, backlog } = rooms;
  metrics.buildInfo.set({ version: VERSION }, 1);
  metrics.show(metrics.draining, () => (readiness.isDraining ? 1 : 0));
  metrics.showEach(metrics.serviceHealthy, async () =>
    Object.entries(await readiness.ask()).map(([service, { status }]) => [{ service }, status === 'ok' ? 1 : 0]),
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
  showRoom(metrics, rooms.disk);
  showCatalogue(metrics, rooms.catalogue, rooms.resilience);
  beginAtZero(metrics);
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
  });
  metrics.show(metrics.catalogueCommands, () => catalogue.all().length);
  metrics.show(metrics.catalogueLoaded, () => Date.parse(catalogue.loadedAt ?? '1970-01-01T00:00:00Z') / 1000);
  metrics.showEach(metrics.breakerState, () =>
    breakersOf(catalogue).map((name) => [{ name }, BREAKER_STATES.indexOf(resilience.stateOf(name))]),
  );
}

function breakersOf(catalogue: Catalogue): string[] {
  return [...new Set(catalogue.all().flatMap(({ breaker }) => breaker ?? []))];
}

const OUTCOMES = Object.keys({
  exited: true,
  timed_out: true,
  cancelled: true,
  rejected: true,
  failed_to_start: true,
  lost: true,
} satisfies Record<RunOutcome['kind'], true>);

/** A series that appears with its first event hides it from `rate` and `increase`: they see only what comes after. */
function beginCommandsAtZero(metrics: Metrics, catalogue: Catalogue): void {
  for (const { name: command, retry } of catalogue.all()) {
    for (const outcome of OUTCOMES) metrics.runs.inc({ command, outcome }, 0);
    metrics.runsFailed.inc({ command }, 0);
    if (retry) metrics.retries.inc({ command }, 0);
  }
  for (const name of breakersOf(catalogue)) for (const to of BREAKER_STATES) metrics.breakerTransitions.inc({ name, to }, 0);
}

function beginAtZero(metrics: Metrics): void {
  for (const code of Object.keys(ERRORS)) metrics.errors.inc({ code }, 0);
  for (const reason of AUTH_FAILURES) metrics.authFailures.inc({ reason }, 0);
  for (const scope of ['key', 'address', 'command']) metrics.rateLimited.inc({ scope }, 0);
  for (const kind of REDACTION_KINDS) metrics.redactions.inc({ kind }, 0);
}

export function observeAuth(metrics: Metrics, logger: Logger): AuthObserver {
  return {
    authFailed: (reason) => metrics.authFailures.inc({ reason }),
    rateLimited: (scope) => metrics.rateLimited.inc({ scope }),
    touchFailed: (error) => logger.warn({ err: error }, 'the last use of a key could not be noted'),
    watchFailed: (error) => logger.warn({ err: error }, 'whether the keys of open answers still hold could not be looked up'),
  };
}
