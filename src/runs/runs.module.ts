import { Module } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Settings } from '../config/settings.schema.js';
import { SETTINGS_TOKEN } from '../config/settings.js';
import { AuditLog } from '../domain/audit-log.js';
import { Db } from '../domain/db.js';
import { ErrorTracker } from '../domain/error-tracker.js';
import { Clock, EventBus, RateCounter, SecretKey } from '../domain/ports.js';
import { IdempotencyStore, RunStore } from '../domain/stores.js';
import { Tracer } from '../domain/tracing.js';
import { LOGGER_TOKEN } from '../logging/logger.js';
import { Metrics } from '../metrics/metrics.js';
import { KeyBudgets } from '../auth/key-budgets.js';
import { TokenBudgets } from '../auth/token-budgets.js';
import { RateLimits } from '../auth/rate-limits.js';
import { Resilience } from '../resilience/resilience.js';
import { Catalogue } from '../commands/catalogue.js';
import { Admission } from './admission.js';
import { BatchService } from './batch.service.js';
import { HistoryController } from './history.controller.js';
import { IdempotencyLedger } from './idempotency-ledger.js';
import { OutcomeBacklog } from './outcome-backlog.js';
import { QueueProbe } from './queue.probe.js';
import { ResultCache } from './result-cache.js';
import { ResultSharing } from './result-sharing.js';
import { RunExecution } from './run-execution.js';
import { RunHistory } from './run-history.js';
import { ApprovalController } from './approval.controller.js';
import { ApprovalDesk } from './approval-desk.js';
import { FreezeBook } from './freeze-book.js';
import { LlmClient } from '../llm/llm-client.js';
import { PlanBook } from './plan-book.js';
import { PlanController } from './plan.controller.js';
import { BreakerController } from './breaker.controller.js';
import { BreakerDesk } from './breaker-desk.js';
import { PlanService } from './plan.service.js';
import { PolicyController } from './policy.controller.js';
import { POLICY_PROVIDERS } from './policy-providers.js';
import { Proposer } from './proposer.js';
import { Sealer } from './seal.js';
import { RunController } from './run.controller.js';
import { type RunRooms, RunService } from './run.service.js';

/** What the path needs, by the names it has there. */
const ROOMS = {
  catalogue: Catalogue,
  idempotency: IdempotencyLedger,
  rates: RateCounter,
  budgets: KeyBudgets,
  tokens: TokenBudgets,
  admission: Admission,
  sharing: ResultSharing,
  freezes: FreezeBook,
  plans: PlanBook,
  proposer: Proposer,
  sealer: Sealer,
  approvals: ApprovalDesk,
  execution: RunExecution,
  backlog: OutcomeBacklog,
  audit: AuditLog,
  db: Db,
  events: EventBus,
  errors: ErrorTracker,
  metrics: Metrics,
  tracer: Tracer,
  clock: Clock,
} satisfies { readonly [Name in keyof RunRooms]: { readonly prototype: RunRooms[Name] } };

/** The path and its doors. Expects the ports, {@link Catalogue} and {@link RunExecution} from global modules. */
@Module({
  controllers: [RunController, PlanController, ApprovalController, PolicyController, BreakerController, HistoryController],
  providers: [
    ...POLICY_PROVIDERS,
    {
      provide: BreakerDesk,
      inject: [Resilience, Catalogue, AuditLog, Db],
      useFactory: (...[resilience, catalogue, audit, db]: [Resilience, Catalogue, AuditLog, Db]) =>
        new BreakerDesk({ breakers: resilience.breakers, catalogue, audit, db }),
    },
    {
      provide: Admission,
      inject: [SETTINGS_TOKEN],
      useFactory: (settings: Settings) => new Admission(limitsOf(settings)),
    },
    { provide: QueueProbe, inject: [Admission], useFactory: (admission: Admission) => new QueueProbe(admission) },
    {
      provide: ResultCache,
      inject: [SETTINGS_TOKEN, EventBus, Clock],
      useFactory: (settings: Settings, events: EventBus, clock: Clock) => {
        const cache = new ResultCache(settings.CACHE_LIMIT, clock);
        events.subscribe('catalogue.replaced', ({ changed, removed }) => cache.forget(new Set([...changed, ...removed])));
        return cache;
      },
    },
    {
      provide: ResultSharing,
      inject: [ResultCache, Metrics, Clock, SETTINGS_TOKEN],
      useFactory: (...[cache, metrics, clock, settings]: [ResultCache, Metrics, Clock, Settings]) =>
        new ResultSharing({ cache, metrics, clock, mostFollowers: () => settings.QUEUE_LIMIT }),
    },
    {
      provide: IdempotencyLedger,
      inject: [IdempotencyStore, RunStore, SecretKey, Metrics, Clock],
      useFactory: (keys: IdempotencyStore, runs: RunStore, secretKey: SecretKey, metrics: Metrics, clock: Clock) =>
        new IdempotencyLedger({ keys, runs, secretKey, metrics, clock }),
    },
    {
      provide: OutcomeBacklog,
      inject: [Db, LOGGER_TOKEN],
      useFactory: (db: Db, logger: Logger) =>
        new OutcomeBacklog(db, (runs) => logger.info({ runs }, 'ends of runs that the store did not take are recorded now')),
    },
    {
      provide: Proposer,
      inject: [LlmClient, PlanService, Catalogue, TokenBudgets, Db, SETTINGS_TOKEN],
      useFactory: (
        ...[llm, plans, catalogue, tokens, db, { LLM_PROPOSALS }]: [LlmClient, PlanService, Catalogue, TokenBudgets, Db, Settings]
      ) => new Proposer({ llm, plans, catalogue, tokens, db, isOn: LLM_PROPOSALS && llm.isConfigured }),
    },
    {
      provide: RunService,
      inject: Object.values(ROOMS),
      useFactory: (...rooms: readonly unknown[]) =>
        new RunService(Object.fromEntries(Object.keys(ROOMS).map((name, index) => [name, rooms[index]])) as unknown as RunRooms),
    },
    {
      provide: RunHistory,
      inject: [RunService, RunStore, Catalogue],
      useFactory: (runs: RunService, store: RunStore, catalogue: Catalogue) => new RunHistory(runs, store, catalogue),
    },
    {
      provide: BatchService,
      inject: [RunService, RunHistory, RateLimits, Metrics, ErrorTracker, LOGGER_TOKEN],
      useFactory: (
        ...[runs, history, limits, metrics, errors, logger]: [RunService, RunHistory, RateLimits, Metrics, ErrorTracker, Logger]
      ) => new BatchService({ runs, history, limits, metrics, errors, logger }),
    },
  ],
  exports: [Admission, QueueProbe, OutcomeBacklog, RunService, RunHistory, FreezeBook, ApprovalDesk],
})
export class RunsModule {}

/** As the settings have them at the moment. */
function limitsOf(settings: Settings) {
  return {
    get total() {
      return settings.MAX_CONCURRENT_RUNS;
    },
    get queue() {
      return settings.QUEUE_LIMIT;
    },
  };
}
