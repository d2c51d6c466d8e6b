import { type DynamicModule, type InjectionToken, Module } from '@nestjs/common';
import { Launcher } from '../domain/launcher.js';
import { Clock, ReloadHealth, type Probe } from '../domain/ports.js';
import { HealthDetailsService } from './health-details.js';
import { FreezeBook } from '../runs/freeze-book.js';
import { HealthController } from './health.controller.js';
import { ReadinessService } from './readiness.js';

@Module({})
export class HealthModule {
  /** @param probes tokens of the probes that `/ready` asks */
  static asking(probes: InjectionToken[]): DynamicModule {
    return {
      module: HealthModule,
      controllers: [HealthController],
      providers: [
        { provide: ReadinessService, inject: probes, useFactory: (...rooms: Probe[]) => new ReadinessService(rooms) },
        {
          provide: HealthDetailsService,
          inject: [ReadinessService, Launcher, Clock, FreezeBook, ReloadHealth],
          useFactory: (...parts: [ReadinessService, Launcher, Clock, FreezeBook, ReloadHealth]) => new HealthDetailsService(...parts),
        },
      ],
      exports: [ReadinessService],
    };
  }
}
