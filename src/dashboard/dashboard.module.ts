import { Module } from '@nestjs/common';
import type { Logger } from 'pino';
import { Catalogue } from '../commands/catalogue.js';
import { Clock, EventBus } from '../domain/ports.js';
import { RunStore } from '../domain/stores.js';
import { LOGGER_TOKEN } from '../logging/logger.js';
import { Metrics } from '../metrics/metrics.js';
import { Resilience } from '../resilience/resilience.js';
import { Admission } from '../runs/admission.js';
import { DashboardController } from './dashboard.controller.js';
import { type DashboardRooms, DashboardService } from './dashboard.service.js';
import { TrafficHistory } from './traffic-history.js';

/** What the dashboard shows, by the names it has there. */
const ROOMS = {
  metrics: Metrics,
  traffic: TrafficHistory,
  runs: RunStore,
  admission: Admission,
  catalogue: Catalogue,
  resilience: Resilience,
  events: EventBus,
  clock: Clock,
} satisfies { readonly [Name in keyof DashboardRooms]: { readonly prototype: DashboardRooms[Name] } };

@Module({
  controllers: [DashboardController],
  providers: [
    {
      provide: TrafficHistory,
      inject: [Metrics, Clock, LOGGER_TOKEN],
      useFactory: (metrics: Metrics, clock: Clock, logger: Logger) => new TrafficHistory(metrics, clock, logger),
    },
    {
      provide: DashboardService,
      inject: Object.values(ROOMS),
      useFactory: (...rooms: readonly unknown[]) =>
        new DashboardService(
          Object.fromEntries(Object.keys(ROOMS).map((name, index) => [name, rooms[index]])) as unknown as DashboardRooms,
        ),
    },
  ],
  exports: [TrafficHistory],
})
export class DashboardModule {}
