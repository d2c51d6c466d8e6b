import { type DynamicModule, type InjectionToken, Module } from '@nestjs/common';
import type { Settings } from '../config/settings.schema.js';
import { SETTINGS_TOKEN } from '../config/settings.js';
import { Launcher } from '../domain/launcher.js';
import { ErrorTracker } from '../domain/error-tracker.js';
import { Clock, type Probe, ReloadHealth } from '../domain/ports.js';
import { Metrics } from '../metrics/metrics.js';
import { FreezeBook } from '../runs/freeze-book.js';
import { QueueProbe } from '../runs/queue.probe.js';
import { HealthDetailsService } from './health-details.js';
import { HealthController } from './health.controller.js';
import { EventLoopProbe, MemoryProbe } from './host.probes.js';
import { ReadinessService } from './readiness.js';
import { ConfigurationProbe, ErrorTrackingProbe, SandboxProbe } from './state.probes.js';

type ReadinessParts = [Clock, Launcher, ReloadHealth, ErrorTracker, Metrics, ...Probe[]];
type DetailParts = [ReadinessService, Launcher, Clock, FreezeBook, ReloadHealth, ErrorTracker, Settings];

@Module({})
export class HealthModule {
  /** @param probes tokens of what rooms say of themselves; `/ready` asks those that are critical */
  static asking(probes: InjectionToken[]): DynamicModule {
    return {
      module: HealthModule,
      controllers: [HealthController],
      providers: [
        {
          provide: ReadinessService,
          inject: [Clock, Launcher, ReloadHealth, ErrorTracker, Metrics, ...probes, QueueProbe],
          useFactory: (...[clock, launcher, reloads, errors, metrics, ...rooms]: ReadinessParts) => {
            const states = [new SandboxProbe(launcher), new ConfigurationProbe(reloads), new ErrorTrackingProbe(errors, clock)];
            const own = [...states, new MemoryProbe(), new EventLoopProbe(metrics.loop)];
            return new ReadinessService([...rooms, ...own], clock);
          },
        },
        {
          provide: HealthDetailsService,
          inject: [ReadinessService, Launcher, Clock, FreezeBook, ReloadHealth, ErrorTracker, SETTINGS_TOKEN],
          useFactory: (...parts: DetailParts) => {
            const [readiness, launcher, clock, freezes, reloads, errors, { ENVIRONMENT: environment }] = parts;
            return new HealthDetailsService({ readiness, launcher, clock, freezes, reloads, errors, environment });
          },
        },
      ],
      exports: [ReadinessService],
    };
  }
}
