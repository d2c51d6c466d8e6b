import { applyDecorators, Controller, Get, Headers, Inject } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Clock, EventBus } from '../domain/ports.js';
import { Answer } from '../http/answer.js';
import { Public, Requires } from '../http/route-access.js';
import { VERSION } from '../config/version.js';
import { type HealthDetails, HealthDetailsService } from './health-details.js';
import { HEALTH_JSON, type HealthJson, healthJson, inForm, readinessJson } from './health-json.js';
import { healthDetailsSchema, livenessSchema, readinessSchema } from './health.schemas.js';
import { type Readiness, ReadinessService } from './readiness.js';

export interface Liveness {
  readonly status: 'ok';
  readonly uptime_seconds: number;
  readonly version: string;
  readonly timestamp: string;
  readonly websocket_clients: number;
  readonly events_received: number;
}

const TwoForms = (): MethodDecorator =>
  applyDecorators(
    ApiHeader({ name: 'Accept', required: false, description: `application/json (default) or ${HEALTH_JSON}` }),
    ApiProduces('application/json', HEALTH_JSON),
  );

/** What orchestrators ask. Liveness looks at nothing but the loop; readiness asks every room. */
@ApiTags('operations')
@Controller()
export class HealthController {
  constructor(
    @Inject(ReadinessService) private readonly readiness: ReadinessService,
    @Inject(EventBus) private readonly events: EventBus,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(HealthDetailsService) private readonly healthDetails: HealthDetailsService,
  ) {}

  @Get(['health', 'livez'])
  @Public({ unlimited: true })
  @TwoForms()
  @ApiOperation({ summary: 'Liveness: answers while the process can' })
  @ApiOkResponse({ description: 'It lives', standardSchema: livenessSchema })
  live(@Headers('accept') accept: string | undefined): Answer<Liveness | HealthJson> {
    const liveness: Liveness = {
      status: 'ok',
      uptime_seconds: this.healthDetails.uptimeSeconds,
      version: VERSION,
      timestamp: this.clock.now(),
      websocket_clients: this.events.traffic.webSocketClients,
      events_received: this.events.traffic.eventsReceived,
    };
    return inForm(accept, new Answer(200, liveness), () => healthJson('pass'));
  }

  @Get(['ready', 'readyz'])
  @Public({ unlimited: true })
  @TwoForms()
  @ApiOperation({ summary: 'Readiness: 200 when every room can work, else 503 with the names of those that cannot' })
  @ApiOkResponse({ description: 'It takes work', standardSchema: readinessSchema })
  @ApiResponse({ status: 503, description: 'It does not', standardSchema: readinessSchema })
  async ready(@Headers('accept') accept: string | undefined): Promise<Answer<Readiness | HealthJson>> {
    const readiness = await this.readiness.check();
    return inForm(accept, new Answer(readiness.status === 'ready' ? 200 : 503, readiness), () => readinessJson(readiness));
  }

  @Get('health/details')
  @Requires('readonly')
  @TwoForms()
  @ApiOperation({
    summary: 'Health in detail: what each room says of itself and has measured, what is contained and what is not',
    description: `As ${HEALTH_JSON} it is a 503 while \`/ready\` is.`,
  })
  @ApiOkResponse({ description: 'What is known', standardSchema: healthDetailsSchema })
  async details(@Headers('accept') accept: string | undefined): Promise<Answer<HealthDetails | HealthJson>> {
    const report = await this.healthDetails.describe();
    return inForm(accept, new Answer(200, report.details), report.healthJson);
  }
}
