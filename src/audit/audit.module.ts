import { Module, type DynamicModule } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Settings } from '../config/settings.schema.js';
import { AuditStore } from '../domain/audit.js';
import { AuditSeed } from '../domain/audit-checkpoint.js';
import { AuditLog } from '../domain/audit-log.js';
import { Db, WriteHealth } from '../domain/db.js';
import { ErrorTracker } from '../domain/error-tracker.js';
import { Clock } from '../domain/ports.js';
import { Metrics } from '../metrics/metrics.js';
import { ChainedAuditLog, type Sanitise } from './audit-log.js';
import { AuditReview } from './audit-review.js';
import { AuditController } from './audit.controller.js';
import { AuditProbe } from './audit.probe.js';
import { anchorsOf } from './checkpoint-anchor.js';
import { Checkpointer } from './checkpointer.js';
import { RefusalLedger } from './refusal-ledger.js';

export interface AuditOptions {
  /** Takes secrets out of the details of each entry. */
  readonly sanitise: Sanitise;
  readonly settings: Settings;
  readonly logger: Logger;
}

/** The audit log over the store that the application provides (`AuditStore`, `AuditSeed`, `Db`, `WriteHealth`, `Clock`, `ErrorTracker`, `Metrics`). */
@Module({})
export class AuditModule {
  static with({ sanitise, settings, logger }: AuditOptions): DynamicModule {
    return {
      module: AuditModule,
      controllers: [AuditController],
      providers: [
        { provide: AuditLog, inject: [Clock], useFactory: (clock: Clock) => new ChainedAuditLog(clock, sanitise) },
        {
          provide: AuditReview,
          inject: [AuditStore, AuditSeed],
          useFactory: (store: AuditStore, seed: AuditSeed) => new AuditReview(store, seed, settings.AUDIT_ANCHOR_FILE),
        },
        checkpointer(settings, logger),
        refusals(logger),
        {
          provide: AuditProbe,
          inject: [WriteHealth, AuditStore, Checkpointer],
          useFactory: (writes: WriteHealth, store: AuditStore, signing: Checkpointer) => new AuditProbe(writes, store, signing),
        },
      ],
      exports: [AuditLog, AuditProbe, AuditReview, Checkpointer, RefusalLedger],
    };
  }
}

function checkpointer(settings: Settings, logger: Logger) {
  const { AUDIT_CHECKPOINT_ENTRIES: entries, AUDIT_CHECKPOINT_INTERVAL: intervalMs, AUDIT_ANCHOR_FILE: anchorFile } = settings;
  return {
    provide: Checkpointer,
    inject: [AuditStore, Db, Clock, Metrics, AuditSeed, ErrorTracker],
    useFactory: (...[store, db, clock, metrics, seed, errors]: [AuditStore, Db, Clock, Metrics, AuditSeed, ErrorTracker]) =>
      new Checkpointer({
        store,
        db,
        clock,
        metrics,
        logger,
        errors,
        seed: () => seed.bytes,
        anchors: anchorsOf(settings),
        anchorFile,
        pace: { entries, intervalMs },
      }),
  };
}

function refusals(logger: Logger) {
  return {
    provide: RefusalLedger,
    inject: [AuditLog, Db, Clock, Metrics],
    useFactory: (...[audit, db, clock, metrics]: [AuditLog, Db, Clock, Metrics]) =>
      new RefusalLedger({ audit, db, clock, metrics, logger }),
  };
}
