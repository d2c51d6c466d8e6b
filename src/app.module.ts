import { resolve } from 'node:path';
import { type DynamicModule, Global, Module, type Provider } from '@nestjs/common';
import type { Logger } from 'pino';
import { AuditModule } from './audit/audit.module.js';
import { AuditProbe } from './audit/audit.probe.js';
import { Checkpointer } from './audit/checkpointer.js';
import { RefusalLedger } from './audit/refusal-ledger.js';
import { AuthModule } from './auth/auth.module.js';
import { AuthObserver } from './auth/auth-observer.js';
import { KeyService } from './auth/key.service.js';
import { MemoryRateCounter } from './auth/memory-rate-counter.js';
import { rateLimitRules } from './auth/rate-limits.js';
import { Catalogue } from './commands/catalogue.js';
import { CatalogueProbe } from './commands/catalogue.probe.js';
import { CommandsController } from './commands/commands.controller.js';
import { LiveSettings } from './config/live-settings.js';
import { type LoadedSettings, SETTINGS_TOKEN } from './config/settings.js';
import type { Settings } from './config/settings.schema.js';
import { SystemClock } from './config/system-clock.js';
import { AuditStore } from './domain/audit.js';
import { AuditSeed } from './domain/audit-checkpoint.js';
import { AuditLog } from './domain/audit-log.js';
import { Db, WriteHealth } from './domain/db.js';
import { Launcher } from './domain/launcher.js';
import { Clock, EventBus, RateCounter, SecretKey } from './domain/ports.js';
import { MasterKeyPlace, SecretStore } from './domain/secret.js';
import { FreezeStore, IdempotencyStore, KeyStore, RunStore } from './domain/stores.js';
import { InProcessEventBus } from './events/in-process-event-bus.js';
import { BUILTIN_NAMES, BuiltinExecutor } from './executors/builtin.executor.js';
import { ProcessExecutor, type ProcessExecutorOptions } from './executors/process.executor.js';
import { ProcessLauncher } from './launcher/process-launcher.js';
import { Gateway } from './gateway.js';
import { HealthModule } from './health/health.module.js';
import { ReadinessService } from './health/readiness.js';
import { noteRecorded } from './http/request-trail.js';
import { LOGGER_TOKEN } from './logging/logger.js';
import { Metrics } from './metrics/metrics.js';
import { MetricsController } from './metrics/metrics.controller.js';
import { OpenApiController, OpenApiDocument } from './openapi/openapi.controller.js';
import { loadRedaction } from './load-redaction.js';
import { Redaction } from './redaction/redaction.js';
import { ConfigWatch } from './reload/config-watch.js';
import { ReloadModule } from './reload/reload.module.js';
import { ReloadService } from './reload/reload.service.js';
import { Resilience } from './resilience/resilience.js';
import { Admission } from './runs/admission.js';
import { ApprovalDesk } from './runs/approval-desk.js';
import { FreezeBook } from './runs/freeze-book.js';
import { OutcomeBacklog } from './runs/outcome-backlog.js';
import { RunExecution } from './runs/run-execution.js';
import { measureRuns } from './runs/run-metrics.js';
import { RunsModule } from './runs/runs.module.js';
import { RunService } from './runs/run.service.js';
import { GivenMasterKey } from './secrets/given-master-key.js';
import { KeyRotation } from './secrets/key-rotation.js';
import { SecretService } from './secrets/secret.service.js';
import { SecretsModule } from './secrets/secrets.module.js';
import { observeAuth, showState } from './state-metrics.js';
import { DiskProbe } from './storage/disk.probe.js';
import { MasterKeyFile } from './storage/master-key-file.js';
import { privateFolder } from './storage/private-folder.js';
import { SecretKeyFile } from './storage/secret-key-file.js';
import { DataDirLock } from './storage/sqlite/data-dir-lock.js';
import { SqliteAuditStore } from './storage/sqlite/sqlite-audit-store.js';
import type { Trouble } from './storage/sqlite/commit-queue.js';
import { SqliteDb } from './storage/sqlite/sqlite-db.js';
import { SqliteFreezeStore } from './storage/sqlite/sqlite-freeze-store.js';
import { SqliteIdempotencyStore } from './storage/sqlite/sqlite-idempotency-store.js';
import { SqliteKeyStore } from './storage/sqlite/sqlite-key-store.js';
import { SqliteRunStore } from './storage/sqlite/sqlite-run-store.js';
import { SqliteSecretStore } from './storage/sqlite/sqlite-secret-store.js';
import { StorageProbe } from './storage/storage.probe.js';

/** What the application is made from. Everything else follows. The settings that a reload applies are changed in place. */
export interface Ingredients extends LoadedSettings {
  readonly logger: Logger;
  /** Whether this process serves nothing but the gateway. */
  readonly ownsProcess?: boolean;
}

/** Knows every room, picks the adapters, and does nothing else. Nothing here starts by itself: {@link Gateway} does that. */
@Global()
@Module({})
export class AppModule {
  static register(ingredients: Ingredients): DynamicModule {
    const redaction = loadRedaction(ingredients.settings);
    const providers = [
      { provide: Redaction, useValue: redaction },
      ...infrastructure(ingredients),
      ...storage(ingredients),
      ...execution(ingredients),
      gateway(ingredients),
    ];
    return {
      module: AppModule,
      imports: [
        AuthModule.withRules(rateLimitRules(ingredients.settings)),
        AuditModule.with({ ...ingredients, sanitise: (details) => redaction.data(details) as typeof details }),
        SecretsModule,
        RunsModule,
        ReloadModule,
        HealthModule.asking([StorageProbe, AuditProbe, CatalogueProbe, DiskProbe]),
      ],
      controllers: [CommandsController, MetricsController, OpenApiController],
      providers,
      // Global, so that rooms ask for ports without knowing who provides them.
      exports: [...providers, AuthModule, AuditModule, SecretsModule, RunsModule, ReloadModule, HealthModule],
    };
  }
}

function infrastructure(ingredients: Ingredients): Provider[] {
  const { settings, logger } = ingredients;
  return [
    { provide: SETTINGS_TOKEN, useValue: settings },
    { provide: LiveSettings, useFactory: () => new LiveSettings(ingredients) },
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

function storage({ settings: { DATA_DIR, SECRETS_KEY }, logger }: Ingredients): Provider[] {
  return [
    {
      provide: SqliteDb,
      useFactory: () => new SqliteDb(DATA_DIR, { onTrouble: (trouble) => tellTrouble(logger, trouble), onRecorded: noteRecorded }),
    },
    { provide: Db, useExisting: SqliteDb },
    { provide: WriteHealth, useExisting: SqliteDb },
    { provide: RunStore, inject: [SqliteDb], useFactory: (db: SqliteDb) => new SqliteRunStore(db.reader, db) },
    { provide: IdempotencyStore, inject: [SqliteDb], useFactory: (db: SqliteDb) => new SqliteIdempotencyStore(db.reader, db) },
    { provide: FreezeStore, inject: [SqliteDb], useFactory: (db: SqliteDb) => new SqliteFreezeStore(db.reader) },
    { provide: KeyStore, inject: [SqliteDb], useFactory: (db: SqliteDb) => new SqliteKeyStore(db.reader) },
    { provide: AuditStore, inject: [SqliteDb], useFactory: (db: SqliteDb) => new SqliteAuditStore(db.reader) },
    { provide: SecretStore, inject: [SqliteDb], useFactory: (db: SqliteDb) => new SqliteSecretStore(db.reader) },
    { provide: MasterKeyPlace, useFactory: () => (SECRETS_KEY ? new GivenMasterKey(SECRETS_KEY) : new MasterKeyFile(DATA_DIR)) },
    { provide: SecretKeyFile, useFactory: () => new SecretKeyFile(DATA_DIR) },
    { provide: SecretKey, useExisting: SecretKeyFile },
    { provide: AuditSeed, useFactory: () => new SecretKeyFile(DATA_DIR, 'audit.key') },
    { provide: DataDirLock, useFactory: () => new DataDirLock(DATA_DIR) },
    {
      provide: StorageProbe,
      inject: [WriteHealth, KeyStore],
      useFactory: (writes: WriteHealth, keys: KeyStore) => new StorageProbe(writes, keys),
    },
    { provide: DiskProbe, useFactory: () => new DiskProbe(DATA_DIR) },
  ];
}

function ownPlace(settings: Settings): ProcessExecutorOptions {
  return {
    get killGraceMs() {
      return settings.KILL_GRACE;
    },
    privateFolder: privateFolder(settings.DATA_DIR),
  };
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
      inject: [SecretKey, SecretService],
      useFactory: (secretKey: SecretKey, secrets: SecretService) =>
        new Catalogue({
          directory: settings.CATALOGUE_DIR,
          workingDirectory: process.cwd(),
          variable: catalogueVariable,
          builtins: [...BUILTIN_NAMES],
          secretKey: () => secretKey.bytes,
          reveal: (names) => secrets.reveal(names),
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
      inject: [Launcher, Resilience, WriteHealth, Metrics, Clock, Redaction],
      useFactory: (launcher: Launcher, ...[resilience, writes, metrics, clock, redaction]: ExecutionRooms) =>
        new RunExecution([new ProcessExecutor(launcher, ownPlace(settings)), new BuiltinExecutor()], {
          resilience,
          writes,
          metrics,
          clock,
          redaction,
        }),
    },
  ];
}

/** What no program of the catalogue has any business with. */
function ownFiles({ DATA_DIR }: Settings): string[] {
  return [DATA_DIR, '.env', 'sallyport.yaml'].map((path) => resolve(path));
}

/** The parts of the gateway's life, by their names in it. */
const LIVING = {
  lock: DataDirLock,
  storage: SqliteDb,
  db: Db,
  secretKey: SecretKeyFile,
  runStore: RunStore,
  idempotencyKeys: IdempotencyStore,
  audit: AuditLog,
  auditSeed: AuditSeed,
  checkpointer: Checkpointer,
  refusals: RefusalLedger,
  keys: KeyService,
  secrets: SecretService,
  keyRotation: KeyRotation,
  catalogue: Catalogue,
  launcher: ProcessLauncher,
  runs: RunService,
  freezes: FreezeBook,
  approvals: ApprovalDesk,
  readiness: ReadinessService,
  reloads: ReloadService,
  watch: ConfigWatch,
  clock: Clock,
} as const;
/** What is shown of them, and by what. */
const MEASURED = {
  events: EventBus,
  metrics: Metrics,
  admission: Admission,
  backlog: OutcomeBacklog,
  resilience: Resilience,
  disk: DiskProbe,
} as const;
type InstancesOf<Classes extends Readonly<Record<string, { readonly prototype: unknown }>>> = {
  readonly [Name in keyof Classes]: Classes[Name]['prototype'];
};

type ExecutionRooms = [resilience: Resilience, writes: WriteHealth, metrics: Metrics, clock: Clock, redaction: Redaction];

function gateway({ settings, logger }: Ingredients): Provider {
  return {
    provide: Gateway,
    inject: [...Object.values(MEASURED), ...Object.values(LIVING)],
    useFactory: (...parts: readonly unknown[]) => {
      const names = [...Object.keys(MEASURED), ...Object.keys(LIVING)];
      const { events, metrics, admission, backlog, resilience, disk, ...living } = Object.fromEntries(
        names.map((name, index) => [name, parts[index]]),
      ) as unknown as InstancesOf<typeof MEASURED> & InstancesOf<typeof LIVING>;
      const { launcher, catalogue } = living;
      measureRuns(events, metrics, admission);
      showState(metrics, { ...living, backlog, resilience, disk });
      events.subscribe('catalogue.replaced', () => launcher.renewSandboxes(new Set(catalogue.all().map(({ container }) => container))));
      events.subscribe('settings.changed', ({ names }) => {
        if (names.includes('LOG_LEVEL')) logger.level = settings.LOG_LEVEL;
        admission.grantFree();
      });
      return new Gateway({ settings, logger, ...living });
    },
  };
}
