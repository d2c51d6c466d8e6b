import { type DynamicModule, Global, Module, type Provider } from '@nestjs/common';
import type { Logger } from 'pino';
import { AgentProbe } from './agents/agent.probe.js';
import { agentPlaces, AgentsModule } from './agents/agents.module.js';
import { AuditModule } from './audit/audit.module.js';
import { AuditProbe } from './audit/audit.probe.js';
import { Checkpointer } from './audit/checkpointer.js';
import { RefusalLedger } from './audit/refusal-ledger.js';
import { AuthModule } from './auth/auth.module.js';
import { AuthObserver } from './auth/auth-observer.js';
import { KeyService } from './auth/key.service.js';
import { rateLimitRules } from './auth/rate-limits.js';
import { ChromaProbe } from './chroma/chroma.probe.js';
import { Catalogue } from './commands/catalogue.js';
import { CatalogueProbe } from './commands/catalogue.probe.js';
import { CommandsController } from './commands/commands.controller.js';
import { LiveSettings } from './config/live-settings.js';
import { type LoadedSettings, SETTINGS_TOKEN } from './config/settings.js';
import { SystemClock } from './config/system-clock.js';
import { DashboardModule } from './dashboard/dashboard.module.js';
import { TrafficHistory } from './dashboard/traffic-history.js';
import { AuditStore } from './domain/audit.js';
import { AuditSeed } from './domain/audit-checkpoint.js';
import { AuditLog } from './domain/audit-log.js';
import { Db, WriteHealth } from './domain/db.js';
import { ErrorTracker } from './domain/error-tracker.js';
import { Clock, EventBus, RateCounter, SecretKey } from './domain/ports.js';
import { MasterKeyPlace, SecretStore } from './domain/secret.js';
import { FreezeStore, IdempotencyStore, KeyStore, RunStore } from './domain/stores.js';
import { errorTracking } from './error-tracking/error-tracking.provider.js';
import { Tracer } from './domain/tracing.js';
import { InProcessEventBus } from './events/in-process-event-bus.js';
import { execution } from './execution.providers.js';
import { KnowledgeBases } from './knowledge/knowledge-bases.js';
import { KnowledgeProbe } from './knowledge/knowledge.probe.js';
import { ProcessLauncher } from './launcher/process-launcher.js';
import { Gateway } from './gateway.js';
import { HealthModule } from './health/health.module.js';
import { ReadinessService } from './health/readiness.js';
import { noteRecorded } from './http/request-trail.js';
import { knowledgeProviders } from './knowledge.providers.js';
import { LlmProbe } from './llm/llm.probe.js';
import { llmProviders } from './llm.providers.js';
import { LogProbe } from './logging/log-outlet.js';
import { LOGGER_TOKEN, type Logs } from './logging/logger.js';
import { Metrics } from './metrics/metrics.js';
import { MetricsController } from './metrics/metrics.controller.js';
import { ObsClient } from './obs/obs-client.js';
import { ObsProbe } from './obs/obs.probe.js';
import { OpenApiController, OpenApiDocument } from './openapi/openapi.controller.js';
import { rateCounting, rateProbes } from './rate-counter.providers.js';
import { loadRedaction } from './load-redaction.js';
import { traces } from './load-tracing.js';
import { Redaction } from './redaction/redaction.js';
import { ConfigWatch } from './reload/config-watch.js';
import { ReloadModule } from './reload/reload.module.js';
import { ReloadService } from './reload/reload.service.js';
import { BreakerProbe } from './resilience/breaker.probe.js';
import { Resilience } from './resilience/resilience.js';
import { resilienceProviders } from './resilience.providers.js';
import { Admission } from './runs/admission.js';
import { ApprovalDesk } from './runs/approval-desk.js';
import { FreezeBook } from './runs/freeze-book.js';
import { OutcomeBacklog } from './runs/outcome-backlog.js';
import { measureRuns } from './runs/run-metrics.js';
import { RunsModule } from './runs/runs.module.js';
import { RunService } from './runs/run.service.js';
import { GivenMasterKey } from './secrets/given-master-key.js';
import { KeyRotation } from './secrets/key-rotation.js';
import { SecretService } from './secrets/secret.service.js';
import { SecretsModule } from './secrets/secrets.module.js';
import { observeAuth, showState } from './state-metrics.js';
import { tellTrouble } from './tell-trouble.js';
import { DiskProbe } from './storage/disk.probe.js';
import { MasterKeyFile } from './storage/master-key-file.js';
import { SecretKeyFile } from './storage/secret-key-file.js';
import { DataDirLock } from './storage/sqlite/data-dir-lock.js';
import { SqliteAuditStore } from './storage/sqlite/sqlite-audit-store.js';
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
  /** Where the lines of requests go, unless to the logger's own place. */
  readonly logs?: Logs;
  /** Whether this process serves nothing but the gateway. */
  readonly ownsProcess?: boolean;
  /** Whether failures are told to SENTRY_DSN: by servers, not at the command line. */
  readonly reportsErrors?: boolean;
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
      traces(ingredients),
      ...storage(ingredients),
      ...resilienceProviders(ingredients.logger),
      ...llmProviders(ingredients.settings),
      ...knowledgeProviders(ingredients.settings),
      ...agentPlaces(ingredients.settings),
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
        AgentsModule,
        ReloadModule,
        DashboardModule,
        HealthModule.asking([
          StorageProbe,
          AuditProbe,
          CatalogueProbe,
          DiskProbe,
          BreakerProbe,
          LogProbe,
          KnowledgeProbe,
          AgentProbe,
          LlmProbe,
          ObsProbe,
          ChromaProbe,
          ...rateProbes(ingredients.settings),
        ]),
      ],
      controllers: [CommandsController, MetricsController, OpenApiController],
      providers,
      // Global, so that rooms ask for ports without knowing who provides them.
      exports: [...providers, AuthModule, AuditModule, SecretsModule, RunsModule, ReloadModule, DashboardModule, HealthModule],
    };
  }
}

function infrastructure(ingredients: Ingredients): Provider[] {
  const { settings, logger, logs } = ingredients;
  return [
    { provide: SETTINGS_TOKEN, useValue: settings },
    { provide: LiveSettings, useFactory: () => new LiveSettings(ingredients) },
    { provide: LOGGER_TOKEN, useValue: logger },
    { provide: LogProbe, useFactory: () => new LogProbe(logs?.outlets ?? []) },
    { provide: Clock, useClass: SystemClock },
    {
      provide: Metrics,
      useFactory: () =>
        new Metrics((error) => logger.warn({ err: error }, 'something could not be measured; sallyport_metrics_failures_total counts')),
    },
    { provide: EventBus, useFactory: () => new InProcessEventBus(logger) },
    errorTracking(settings, ingredients.reportsErrors),
    ...rateCounting(ingredients),
    { provide: AuthObserver, inject: [Metrics], useFactory: (metrics: Metrics) => observeAuth(metrics, logger) },
    { provide: OpenApiDocument, useFactory: () => new OpenApiDocument() },
  ];
}

function storage({ settings: { DATA_DIR, SECRETS_KEY }, logger }: Ingredients): Provider[] {
  return [
    {
      provide: SqliteDb,
      inject: [ErrorTracker, Tracer],
      useFactory: (errors: ErrorTracker, tracer: Tracer) =>
        new SqliteDb(DATA_DIR, { tracer, onTrouble: (trouble) => tellTrouble({ logger, errors }, trouble), onRecorded: noteRecorded }),
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
  knowledge: KnowledgeBases,
  obs: ObsClient,
  tracer: Tracer,
  rates: RateCounter,
  traffic: TrafficHistory,
  clock: Clock,
  errors: ErrorTracker,
  metrics: Metrics,
} as const;
/** What is shown of them, and by what. */
const MEASURED = {
  events: EventBus,
  admission: Admission,
  backlog: OutcomeBacklog,
  resilience: Resilience,
  disk: DiskProbe,
  logs: LogProbe,
} as const;
type InstancesOf<Classes extends Readonly<Record<string, { readonly prototype: unknown }>>> = {
  readonly [Name in keyof Classes]: Classes[Name]['prototype'];
};

function gateway({ settings, logger }: Ingredients): Provider {
  return {
    provide: Gateway,
    inject: [...Object.values(MEASURED), ...Object.values(LIVING)],
    useFactory: (...parts: readonly unknown[]) => {
      const names = [...Object.keys(MEASURED), ...Object.keys(LIVING)];
      const { events, admission, backlog, resilience, disk, logs, ...living } = Object.fromEntries(
        names.map((name, index) => [name, parts[index]]),
      ) as unknown as InstancesOf<typeof MEASURED> & InstancesOf<typeof LIVING>;
      const { launcher, catalogue, metrics } = living;
      measureRuns(events, metrics, admission);
      showState(metrics, { ...living, backlog, resilience, disk, logs });
      events.subscribe('catalogue.replaced', () => launcher.renewSandboxes(new Set(catalogue.all().map(({ container }) => container))));
      events.subscribe('catalogue.replaced', () => resilience.breakers.renew());
      events.subscribe('settings.changed', ({ names }) => {
        if (names.includes('LOG_LEVEL')) logger.level = settings.LOG_LEVEL;
        admission.grantFree();
      });
      return new Gateway({ settings, logger, ...living });
    },
  };
}
