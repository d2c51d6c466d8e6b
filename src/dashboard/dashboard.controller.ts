import { Controller, Get, Inject } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Principal } from '../domain/principal.js';
import { Caller } from '../http/parameters.js';
import { Requires } from '../http/route-access.js';
import { type Dashboard, dashboardSchema } from './dashboard.schemas.js';
import { DashboardService } from './dashboard.service.js';

@ApiTags('operations')
@Controller('dashboard')
export class DashboardController {
  constructor(@Inject(DashboardService) private readonly dashboard: DashboardService) {}

  @Get()
  @Requires('readonly')
  @ApiOperation({
    summary: 'The gateway at a glance',
    description: 'At most a second old. Requests and limits are of the whole gateway; runs are those of this key, unless it is an admin’s.',
  })
  @ApiOkResponse({ description: 'Numbers to draw', standardSchema: dashboardSchema })
  get(@Caller() principal: Principal): Promise<Dashboard> {
    return this.dashboard.describe(principal);
  }
}
