import { resolve } from 'node:path';
import { type DynamicModule, Global, Module, type Provider } from '@nestjs/common';
import type { Logger } from 'pino';
import { AuditModule } from './audit/audit.module.js';
import { AuditProbe } from './audit/audit.probe.js';
import { AuthModule } from './auth/auth.module.js';
import { AuthObserver } from './auth/auth-observer.js';
import { KeyService } from './auth/key.service.js';
import { MemoryRateCounter } from './auth/memory-rate-counter.js';
import { rateLimitRules } from './auth/rate-limits.js';
import { Catalogue } from './commands/catalogue.js';
import { CatalogueProbe } from './commands/catalogue.probe.js';
import { CommandsController } from './commands/commands.controller.js';
import { type LoadedSettings, SETTINGS_TOKEN } from './config/settings.js';
import type { Settings } from './config/settings.schema.js';
import { SystemClock } from './config/system-clock.js';
import { AuditStore } from './domain/audit.js';
import { AuditLog } from './domain/audit-log.js';
import { Db, WriteHealth } from './domain/db.js';
import { Launcher } from './domain/launcher.js';
import { Clock, EventBus, RateCounter, SecretKey } from './domain/ports.js';
import { IdempotencyStore, KeyStore, RunStore } from './domain/stores.js';
import { InProcessEventBus } from './events/in-process-event-bus.js';
import { BUILTIN_NAMES, BuiltinExecutor } from './executors/builtin.executor.js';
import { ProcessExecutor, type ProcessExecutorOptions } from './executors/process.executor.js';
import { ProcessLauncher } from './launcher/process-launcher.js';
import { Gateway } from './gateway.js';
import { HealthModule } from './health/health.module.js';
import { ReadinessService } from './health/readiness.js';
import { LOGGER_TOKEN } from './logging/logger.js';
import { Metrics } from './metrics/metrics.js';
import { MetricsController } from './metrics/metrics.controller.js';
import { OpenApiController, OpenApiDocument } from './openapi/openapi.controller.js';
import { redactData } from './redaction/redact-text.js';
import { Resilience } from './resilience/resilience.js';
import { Admission } from './runs/admission.js';
import { OutcomeBacklog } from './runs/outcome-backlog.js';
import { RunExecution } from './runs/run-execution.js';
import { measureRuns } from './runs/run-metrics.js';
import { RunsModule } from './runs/runs.module.js';
import { RunService } from './runs/run.service.js';
import { showState } from './state-metrics.js';
import { DiskProbe } from './storage/disk.probe.js';
import { privateFolder } from './storage/private-folder.js';
import { SecretKeyFile } from './storage/secret-key-file.js';
import { DataDirLock } from './storage/sqlite/data-dir-lock.js';
import { SqliteAuditStore } from './storage/sqlite/sqlite-audit-store.js';
import type { Trouble } from './storage/sqlite/commit-queue.js';
import { SqliteDb } from './storage/sqlite/sqlite-db.js';
import { SqliteIdempotencyStore } from './storage/sqlite/sqlite-idempotency-store.js';
import { SqliteKeyStore } from './storage/sqlite/sqlite-key-store.js';
import { SqliteRunStore } from './storage/sqlite/sqlite-run-store.js';
import { StorageProbe } from './storage/storage.probe.js';

/** What the application is made from. Everything else follows. */
export interface Ingredients {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly catalogueVariable: LoadedSettings['catalogueVariable'];
  /** Whether this process serves nothing but the gateway. */
  readonly ownsProcess?: boolean;
}

/** Knows every room, picks the adapters, and does nothing else. Nothing here starts by itself: {@link Gateway} does that. */
@Global()
@Module({})
export class AppModule {
  static register(ingredients: Ingredients): DynamicModule {
    const providers = [...infrastructure(ingredients), ...storage(ingredients), ...execution(ingredients), gateway(ingredients)];
    return {
      module: AppModule,
      imports: [
        AuthModule.withRules(rateLimitRules(ingredients.settings)),
        AuditModule.with((details) => redactData(details) as typeof details),
        RunsModule,
        HealthModule.asking([StorageProbe, AuditProbe, CatalogueProbe, DiskProbe]),
      ],
      controllers: [CommandsController, MetricsController, OpenApiController],
      providers,
      // Global, so that rooms ask for ports without knowing who provides them.
      exports: [...providers, AuthModule, AuditModule, RunsModule, HealthModule],
    };
  }
}

function infrastructure({ settings, logger }: Ingredients): Provider[] {
  return [
    { provide: SETTINGS_TOKEN, useValue: settings },
    { provide: LOGGER_TOKEN, useValue: logger },
    { provide: Clock, useClass: SystemClock },
    {
      provide: Metrics,
      useFactory: () =>
        new Metrics((error) => logger.warn({ err: error }, 'something could not be measured; sallyport_metrics_failures_total counts')),
    },
    { provide: EventBus, useFactory: () => new InProcessEventBus(logger) },
    { provide: RateCounter, inject: [Clock], useFactory: (clock: Clock) => new MemoryRateCounter(clock) },
    { provide: AuthObserver, inject: [Metrics], useFactory: (metrics: Metrics) => observeAuth(metrics, logger) },
    { provide: OpenApiDocument, useFactory: () => new OpenApiDocument() },
  ];
}

function observeAuth(metrics: Metrics, logger: Logger): AuthObserver {
  return {
    authFailed: (reason) => metrics.authFailures.inc({ reason }),
    rateLimited: (scope) => metrics.rateLimited.inc({ scope }),
    touchFailed: (error) => logger.warn({ err: error }, 'the last use of a key could not be noted'),
  };
}

function storage({ settings: { DATA_DIR }, logger }: Ingredients): Provider[] {
  return [
    { provide: SqliteDb, useFactory: () => new SqliteDb(DATA_DIR, { onTrouble: (trouble) => tellTrouble(logger, trouble) }) },
    { provide: Db, useExisting: SqliteDb },
    { provide: WriteHealth, useExisting: SqliteDb },
    { provide: RunStore, inject: [SqliteDb], useFactory: (db: SqliteDb) => new SqliteRunStore(db.reader, db) },
    { provide: IdempotencyStore, inject: [SqliteDb], useFactory: (db: SqliteDb) => new SqliteIdempotencyStore(db.reader, db) },
    { provide: KeyStore, inject: [SqliteDb], useFactory: (db: SqliteDb) => new SqliteKeyStore(db.reader) },
    { provide: AuditStore, inject: [SqliteDb], useFactory: (db: SqliteDb) => new SqliteAuditStore(db.reader) },
    { provide: SecretKeyFile, useFactory: () => new SecretKeyFile(DATA_DIR) },
    { provide: SecretKey, useExisting: SecretKeyFile },
    { provide: DataDirLock, useFactory: () => new DataDirLock(DATA_DIR) },
    {
      provide: StorageProbe,
      inject: [WriteHealth, KeyStore],
      useFactory: (writes: WriteHealth, keys: KeyStore) => new StorageProbe(writes, keys),
    },
    { provide: DiskProbe, useFactory: () => new DiskProbe(DATA_DIR) },
  ];
}

function ownPlace({ KILL_GRACE, DATA_DIR }: Settings): ProcessExecutorOptions {
  return { killGraceMs: KILL_GRACE, privateFolder: privateFolder(DATA_DIR) };
}

/** A store that is not written is the one thing that stops everything: an operator hears of it once, when it comes. */
function tellTrouble(logger: Logger, trouble: Trouble | undefined): void {
  if (!trouble) logger.info('the store takes writes again');
  else if (trouble.kind === 'final') logger.error({ reason: trouble.reason }, 'the store takes no writes until the gateway is restarted');
  else logger.error({ reason: trouble.reason }, 'the store cannot be written; nothing runs until it can');
}

function execution({ settings, logger, catalogueVariable, ownsProcess = false }: Ingredients): Provider[] {
  return [
    {
      provide: Catalogue,
      inject: [SecretKey],
      useFactory: (secretKey: SecretKey) =>
        new Catalogue({
          directory: settings.CATALOGUE_DIR,
          workingDirectory: process.cwd(),
          variable: catalogueVariable,
          builtins: [...BUILTIN_NAMES],
          secretKey: () => secretKey.bytes,
          defaults: { timeoutMs: settings.RUN_TIMEOUT, outputBytes: settings.OUTPUT_LIMIT },
        }),
    },
    { provide: CatalogueProbe, inject: [Catalogue], useFactory: (catalogue: Catalogue) => new CatalogueProbe(catalogue) },
    {
      provide: ProcessLauncher,
      inject: [Catalogue, Metrics],
      useFactory: (catalogue: Catalogue, metrics: Metrics) =>
        new ProcessLauncher({
          ownsProcess,
          containment: {
            mode: settings.SANDBOX,
            folder: resolve(settings.DATA_DIR, 'sandbox'),
            hidden: ownFiles(settings),
            places: () => catalogue.all().flatMap(({ places }) => places),
          },
          onHostLost: (host) => {
            metrics.executorHostsLost.inc();
            logger.error(host, 'an executor host went away; its runs are lost and a new one starts');
          },
        }),
    },
    { provide: Launcher, useExisting: ProcessLauncher },
    {
      provide: Resilience,
      inject: [Metrics],
      useFactory: (metrics: Metrics) => new Resilience((name, to) => metrics.breakerTransitions.inc({ name, to })),
    },
    {
      provide: RunExecution,
      inject: [Launcher, Resilience, WriteHealth, Metrics, Clock],
      useFactory: (launcher: Launcher, resilience: Resilience, writes: WriteHealth, metrics: Metrics, clock: Clock) =>
        new RunExecution([new ProcessExecutor(launcher, ownPlace(settings)), new BuiltinExecutor()], {
          resilience,
          writes,
          metrics,
          clock,
        }),
    },
  ];
}

/** What no program of the catalogue has any business with. */
function ownFiles({ DATA_DIR }: Settings): string[] {
  return [DATA_DIR, '.env', 'sallyport.yaml'].map((path) => resolve(path));
}

const LIVING = [
  DataDirLock,
  SqliteDb,
  Db,
  SecretKeyFile,
  RunStore,
  IdempotencyStore,
  AuditLog,
  KeyService,
  Catalogue,
  ProcessLauncher,
  RunService,
  ReadinessService,
  Clock,
  EventBus,
  Metrics,
  Admission,
  OutcomeBacklog,
  Resilience,
  DiskProbe,
] as const;

function gateway({ settings, logger }: Ingredients): Provider {
  return {
    provide: Gateway,
    inject: [...LIVING],
    useFactory: (...[lock, storage, db, secretKey, runStore, idempotencyKeys, audit, keys, catalogue, launcher, ...others]: Living) => {
      const [runs, readiness, clock, events, metrics, admission, backlog, resilience, disk] = others;
      measureRuns(events, metrics, admission);
      showState(metrics, { storage, catalogue, launcher, readiness, backlog, resilience, disk });
      const stored = { lock, storage, db, secretKey, runStore, idempotencyKeys, audit, keys };
      return new Gateway({ settings, logger, ...stored, catalogue, launcher, runs, readiness, clock });
    },
  };
}

/** Instances of {@link LIVING}, in its order. */
type Living = InstancesOf<typeof LIVING>;
type InstancesOf<Classes extends readonly unknown[]> = {
  -readonly [Place in keyof Classes]: Classes[Place] extends { prototype: infer Instance } ? Instance : never;
};
