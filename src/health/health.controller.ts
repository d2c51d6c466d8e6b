import { Controller, Get, Header, Inject } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { Clock, EventBus } from '../domain/ports.js';
import { Answer } from '../http/answer.js';
import { Public, Requires } from '../http/route-access.js';
import { VERSION } from '../config/version.js';
import { type HealthDetails, HealthDetailsService } from './health-details.js';
import { type Readiness, ReadinessService } from './readiness.js';

export interface Liveness {
  readonly status: 'ok';
  readonly uptime_seconds: number;
  readonly version: string;
  readonly timestamp: string;
  readonly websocket_clients: number;
  readonly events_received: number;
}

/** What orchestrators ask. Liveness looks at nothing but the loop; readiness asks every room. */
@ApiTags('operations')
@Controller()
export class HealthController {
  private readonly startedAt: number;

  constructor(
    @Inject(ReadinessService) private readonly readiness: ReadinessService,
    @Inject(EventBus) private readonly events: EventBus,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(HealthDetailsService) private readonly healthDetails: HealthDetailsService,
  ) {
    this.startedAt = clock.monotonic();
  }

  @Get(['health', 'livez'])
  @Public({ unlimited: true })
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Liveness: answers while the process can' })
  live(): Liveness {
    return {
      status: 'ok',
      uptime_seconds: Math.round(this.clock.monotonic() - this.startedAt) / 1000,
      version: VERSION,
      timestamp: this.clock.now(),
      websocket_clients: this.events.traffic.webSocketClients,
      events_received: this.events.traffic.eventsReceived,
    };
  }

  @Get(['ready', 'readyz'])
  @Public({ unlimited: true })
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Readiness: 200 when every room can work, else 503 with the names of those that cannot' })
  async ready(): Promise<Answer<Readiness>> {
    const readiness = await this.readiness.check();
    return new Answer(readiness.status === 'ready' ? 200 : 503, readiness);
  }

  @Get('health/details')
  @Requires('readonly')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Health in detail: each service, what is contained and what is not, memory, event-loop lag' })
  details(): Promise<HealthDetails> {
    return this.healthDetails.describe();
  }
}
