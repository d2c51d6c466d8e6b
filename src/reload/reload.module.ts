import { Module } from '@nestjs/common';
import type { Logger } from 'pino';
import { Catalogue } from '../commands/catalogue.js';
import { LiveSettings } from '../config/live-settings.js';
import { AuditLog } from '../domain/audit-log.js';
import { Db } from '../domain/db.js';
import { Clock, EventBus, ReloadHealth } from '../domain/ports.js';
import { LOGGER_TOKEN } from '../logging/logger.js';
import { Metrics } from '../metrics/metrics.js';
import { ConfigController } from './config.controller.js';
import { ConfigWatch } from './config-watch.js';
import { ReloadService } from './reload.service.js';

type Rooms = [Catalogue, LiveSettings, AuditLog, Db, EventBus, Metrics, Clock, Logger];

/** New settings and a new catalogue, without a restart. Expects the ports, {@link Catalogue} and {@link LiveSettings} from global modules. */
@Module({
  controllers: [ConfigController],
  providers: [
    {
      provide: ReloadService,
      inject: [Catalogue, LiveSettings, AuditLog, Db, EventBus, Metrics, Clock, LOGGER_TOKEN],
      useFactory: (...[catalogue, settings, audit, db, events, metrics, clock, logger]: Rooms) =>
        new ReloadService({ catalogue, settings, audit, db, events, metrics, clock, logger }),
    },
    { provide: ReloadHealth, useExisting: ReloadService },
    {
      provide: ConfigWatch,
      inject: [ReloadService, LOGGER_TOKEN],
      useFactory: (reloads: ReloadService, logger: Logger) => new ConfigWatch(reloads, logger),
    },
  ],
  exports: [ReloadService, ReloadHealth, ConfigWatch],
})
export class ReloadModule {}
