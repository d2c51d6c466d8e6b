import { Body, Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Origin } from '../http/parameters.js';
import { Requires } from '../http/route-access.js';
import { checked } from '../http/validation.pipe.js';
import { planSchema, type PlanView } from './plan-view.js';
import { PlanService } from './plan.service.js';
import { planRequestSchema, type RunRequest } from './run-request.js';
import type { RunOrigin } from './run-walk.js';

/** The door that runs nothing. */
@ApiTags('run')
@Controller()
export class PlanController {
  constructor(@Inject(PlanService) private readonly plans: PlanService) {}

  @Post('plan')
  @HttpCode(200)
  @Requires('operator')
  @ApiOperation({
    summary: 'What a run would do: program, argv, environment, sandbox, limits, and what each rule says',
    description: 'Nothing is run. `POST /run {planId}` runs exactly this, once, while nothing has changed.',
  })
  @ApiOkResponse({ description: 'The plan', standardSchema: planSchema })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'Your own name for this request: the same request with it gets the same plan, while that can be run.',
    schema: { type: 'string', minLength: 1, maxLength: 512 },
  })
  plan(@Body(checked(planRequestSchema)) request: RunRequest, @Origin() origin: RunOrigin): Promise<PlanView> {
    return this.plans.plan(request, origin);
  }
}
