import { rmSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Checkpointer } from './audit/checkpointer.js';
import type { RefusalLedger } from './audit/refusal-ledger.js';
import type { Bootstrap, KeyService } from './auth/key.service.js';
import { LOCAL_PRINCIPAL } from './auth/local-principal.js';
import type { Catalogue } from './commands/catalogue.js';
import type { Settings } from './config/settings.schema.js';
import type { TrafficHistory } from './dashboard/traffic-history.js';
import type { AuditSeed } from './domain/audit-checkpoint.js';
import type { AuditLog } from './domain/audit-log.js';
import type { Db } from './domain/db.js';
import type { ErrorTracker } from './domain/error-tracker.js';
import { IDEMPOTENCY_KEPT_MS } from './domain/idempotency.js';
import type { Clock, RateCounter } from './domain/ports.js';
import type { IdempotencyStore, RunStore } from './domain/stores.js';
import type { KnowledgeBases } from './knowledge/knowledge-bases.js';
import { reportRefusal } from './error-tracking/report-refusal.js';
import type { Tracer } from './domain/tracing.js';
import type { Metrics } from './metrics/metrics.js';
import type { ObsClient } from './obs/obs-client.js';
import type { ProcessLauncher } from './launcher/process-launcher.js';
import type { ReadinessService } from './health/readiness.js';
import type { ApprovalDesk } from './runs/approval-desk.js';
import type { FreezeBook } from './runs/freeze-book.js';
import type { ConfigWatch } from './reload/config-watch.js';
import type { ReloadService } from './reload/reload.service.js';
import { closeLostRuns } from './runs/run-recovery.js';
import type { RunService } from './runs/run.service.js';
import type { KeyRotation } from './secrets/key-rotation.js';
import type { SecretService } from './secrets/secret.service.js';
import { privateFolder, removeAbandonedFiles } from './storage/private-folder.js';
import type { SecretKeyFile } from './storage/secret-key-file.js';
import type { DataDirLock } from './storage/sqlite/data-dir-lock.js';
import type { SqliteDb } from './storage/sqlite/sqlite-db.js';

const PRUNE_EVERY_MS = 60 * 60 * 1000;

/** The parts that have a life. */
export interface Parts {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly lock: DataDirLock;
  readonly storage: SqliteDb;
  readonly db: Db;
  readonly secretKey: SecretKeyFile;
  readonly runStore: RunStore;
  readonly idempotencyKeys: IdempotencyStore;
  readonly audit: AuditLog;
  readonly keys: KeyService;
  readonly catalogue: Catalogue;
  readonly launcher: ProcessLauncher;
  readonly runs: RunService;
  readonly readiness: ReadinessService;
  readonly clock: Clock;
  readonly auditSeed: AuditSeed;
  readonly checkpointer: Checkpointer;
  readonly secrets: SecretService;
  readonly keyRotation: KeyRotation;
  readonly freezes: FreezeBook;
  readonly approvals: ApprovalDesk;
  readonly refusals: RefusalLedger;
  readonly reloads: ReloadService;
  readonly watch: ConfigWatch;
  readonly knowledge: KnowledgeBases;
  readonly obs: ObsClient;
  readonly errors: ErrorTracker;
  readonly tracer: Tracer;
  readonly rates: RateCounter;
  readonly traffic: TrafficHistory;
  readonly metrics: Metrics;
}

/**
 * The life of the gateway behind its doors. `open` is enough for the command line; `start` is for a server.
 * `stop` works after half a start, and more than once.
 */
export class Gateway {
  private pruning: NodeJS.Timeout | undefined;
  private serving = false;

  constructor(readonly parts: Parts) {}

  /** The store. Several processes may have it open at once. */
  async openStore(): Promise<void> {
    await this.parts.storage.start();
    this.parts.auditSeed.open();
  }

  /** Store, catalogue and executors: what it takes to run commands without a server. */
  async open(): Promise<void> {
    // Neither needs the other. Both have come to an end before a failure is told, so that each can be stopped.
    const opened = await Promise.allSettled([this.openCatalogue(), this.parts.launcher.start()]);
    for (const result of opened) if (result.status === 'rejected') throw result.reason;
  }

  /** Store and catalogue: what it takes to say what a run would do. */
  async openCatalogue(): Promise<void> {
    await this.openStore();
    this.parts.secretKey.open();
    await this.parts.freezes.load();
    await this.parts.catalogue.reload();
  }

  /**
   * Everything, for a server: takes DATA_DIR for itself, gives an empty store its first key, closes the runs of a gateway that died.
   * @returns the first key, when one was made
   */
  async start(): Promise<Bootstrap> {
    const { lock, keys, settings, logger, catalogue, launcher, freezes, approvals, reloads, watch, traffic, rates } = this.parts;
    lock.acquire();
    removeAbandonedFiles(settings.DATA_DIR);
    // Before they are read: what changes after this is noticed.
    reloads.note(await reloads.look());
    await this.open();
    const { gaps, ...contained } = launcher.containment;
    logger.info(contained, 'containment of programs');
    for (const gap of gaps) logger.warn(`not contained: ${gap}`);
    for (const { file, line, path, message } of catalogue.warnings) logger.debug({ file, line, path }, `catalogue: ${message}`);
    await this.lookAtSecrets();
    await rates.start();
    const bootstrap = await keys.bootstrap(settings.ADMIN_KEY);
    const lost = await closeLostRuns({ ...this.parts, store: this.parts.runStore });
    if (lost > 0) logger.warn({ runs: lost }, 'runs that the last gateway left open are closed as lost');
    await this.note('gateway.started', { commands: catalogue.all().length, catalogue: catalogue.digest });
    await this.parts.checkpointer.start();
    for (const { id, reason } of freezes.list()) logger.warn({ freeze: id, reason }, 'a freeze is in force');
    approvals.open();
    this.serving = true;
    this.pruning = setInterval(() => void this.prune(), PRUNE_EVERY_MS).unref();
    void this.prune();
    traffic.start();
    if (settings.CONFIG_WATCH) watch.start();
    return bootstrap;
  }

  /** Commands without secrets run in any case; for the others somebody must bring the key back, or set what is missing. */
  private async lookAtSecrets(): Promise<void> {
    const { secrets, keyRotation, catalogue, logger, errors } = this.parts;
    await keyRotation.settle();
    const unreadable = await secrets.unreadable();
    if (unreadable.length > 0) {
      logger.error({ secrets: unreadable }, 'secrets cannot be decrypted: commands that name them are refused');
      errors.report({ name: 'secrets_unreadable' });
    }
    const missing = catalogue.missingSecrets(await secrets.namesSet());
    if (missing.length > 0) logger.warn({ secrets: missing }, 'commands name secrets that are not set: they are refused');
  }

  /** Readiness off, no new runs; those under way get their time, then are ended and recorded. `hurry` cuts the time short. */
  async drain(timeoutMs: number, hurry: AbortSignal): Promise<void> {
    this.parts.readiness.drain();
    const drained = this.parts.runs.drain(timeoutMs);
    await Promise.race([drained, new Promise<void>((resolve) => hurry.addEventListener('abort', () => resolve(), { once: true }))]);
    if (hurry.aborted) await this.parts.runs.drain(0);
    await drained;
  }

  async stop(): Promise<void> {
    const {
      runs,
      launcher,
      storage,
      lock,
      logger,
      settings,
      checkpointer,
      refusals,
      reloads,
      watch,
      knowledge,
      obs,
      errors,
      tracer,
      traffic,
      metrics,
      rates,
    } = this.parts;
    clearInterval(this.pruning);
    const steps: [string, () => unknown][] = [
      ['watch', () => watch.stop()],
      ['traffic', () => traffic.stop()],
      ['reloads', () => reloads.stop()],
      ['runs', () => runs.drain(0)],
      ['executors', () => launcher.stop()],
      ['knowledge', () => knowledge.stop()],
      ['obs', () => obs.stop()],
      ['private files', () => rmSync(privateFolder(settings.DATA_DIR), { recursive: true, force: true })],
      ['rates', () => rates.stop()],
      ['refusals', () => refusals.close()],
      ['audit', () => (this.serving ? this.note('gateway.stopped', {}) : undefined)],
      ['checkpoints', () => checkpointer.stop()],
      ['storage', () => storage.stop()],
      ['lock', () => lock.release()],
      ['error tracking', () => errors.close()],
      ['traces', () => tracer.stop()],
      ['metrics', () => metrics.stop()],
    ];
    for (const [part, stop] of steps) {
      try {
        await stop();
      } catch (error) {
        logger.error({ err: error, part }, 'a part of the gateway did not stop cleanly');
        reportRefusal(errors, error, {});
      }
    }
    this.serving = false;
  }

  private async prune(): Promise<void> {
    const { runStore, idempotencyKeys, settings, logger } = this.parts;
    const instantAgo = (ms: number) => new Date(Date.now() - ms).toISOString();
    const before = instantAgo(settings.RETENTION_DAYS * 86_400_000);
    try {
      await idempotencyKeys.prune(instantAgo(IDEMPOTENCY_KEPT_MS));
      const removed = await runStore.prune({ before, maxRuns: settings.RETENTION_RUNS, maxOutputBytes: settings.RETENTION_BYTES });
      if (removed > 0) logger.info({ runs: removed }, 'old runs removed');
    } catch (error) {
      logger.warn({ err: error }, 'old runs and idempotency keys could not be removed; the next try is in an hour');
    }
  }

  private note(action: 'gateway.started' | 'gateway.stopped', details: Readonly<Record<string, unknown>>): Promise<void> {
    const { db, audit } = this.parts;
    return db.commit([audit.appended({ action, principalId: LOCAL_PRINCIPAL.id, subject: 'gateway', requestId: 'local', details })]);
  }
}
