import { Controller, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { Page } from '../domain/audit.js';
import { FAILURE_KINDS } from '../domain/failure.js';
import type { Principal } from '../domain/principal.js';
import { BREAKER_STATES } from '../domain/resilience.js';
import { Caller, Origin, type RequestOrigin } from '../http/parameters.js';
import { Requires } from '../http/route-access.js';
import { BreakerDesk, type BreakerView } from './breaker-desk.js';

const kind = z.enum(FAILURE_KINDS);
const breakerSchema = z
  .object({
    name: z.string(),
    state: z.enum(BREAKER_STATES),
    failuresInARow: z.int().meta({ description: 'While it is closed' }),
    retryAfterMs: z.number().nullable().meta({ description: 'Until it lets probes through; null unless it is open' }),
    changedAt: z.iso.datetime().meta({ description: 'When its state changed last' }),
    failures: z.int().meta({ description: 'So many in a row open it' }),
    recoveryMs: z.number().meta({ description: 'How long it refuses' }),
    probes: z.int().meta({ description: 'Attempts that it lets through after that' }),
    concurrent: z.int().nullable().meta({ description: 'Attempts at one time' }),
    on: z.array(kind).readonly().meta({ description: 'Causes that it counts' }),
    inFlight: z.int().meta({ description: 'Attempts under way' }),
    counts: z
      .object({ succeeded: z.int(), failed: z.int(), unclear: z.int(), refused: z.int(), opened: z.int() })
      .meta({ description: 'Since it is there: attempts by what became of them, and how often it opened' }),
    lastFailure: z.object({ at: z.iso.datetime(), cause: z.looseObject({ kind }) }).nullable(),
    commands: z.array(z.string()).readonly().meta({ description: 'Commands of your scopes that it guards' }),
  })
  .meta({ id: 'Breaker' });
const breakerListSchema = z.object({ items: z.array(breakerSchema), nextCursor: z.null() }).meta({ id: 'BreakerList' });

/** How the circuit breakers are, and closing them by hand. */
@ApiTags('breakers')
@Controller('breakers')
export class BreakerController {
  constructor(@Inject(BreakerDesk) private readonly desk: BreakerDesk) {}

  @Get()
  @Requires('readonly')
  @ApiOperation({ summary: 'The circuit breakers of commands in your scopes, by name' })
  @ApiOkResponse({ description: 'States and counts', standardSchema: breakerListSchema })
  list(@Caller() principal: Principal): Page<BreakerView> {
    return { items: this.desk.list(principal), nextCursor: null };
  }

  @Post('reset')
  @HttpCode(200)
  @Requires('admin')
  @ApiOperation({ summary: 'Close all circuit breakers' })
  @ApiOkResponse({ description: 'They are closed', standardSchema: breakerListSchema })
  async resetAll(@Origin() origin: RequestOrigin): Promise<Page<BreakerView>> {
    return { items: await this.desk.resetAll(origin), nextCursor: null };
  }

  @Post(':name/reset')
  @HttpCode(200)
  @Requires('admin')
  @ApiOperation({ summary: 'Close a circuit breaker', description: 'What is under way counts no more.' })
  @ApiOkResponse({ description: 'It is closed', standardSchema: breakerSchema })
  reset(@Param('name') name: string, @Origin() origin: RequestOrigin): Promise<BreakerView> {
    return this.desk.reset(name, origin);
  }
}
