import { Body, Controller, Delete, Get, HttpCode, Inject, Param, Put, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { Page } from '../domain/audit.js';
import { type Explanation, type Freeze, FREEZE_MODES, POLICY_RULES } from '../domain/policy.js';
import type { Principal } from '../domain/principal.js';
import { Caller, Origin } from '../http/parameters.js';
import { Requires } from '../http/route-access.js';
import { checked } from '../http/validation.pipe.js';
import { Explainer } from './explain.js';
import { FreezeBook } from './freeze-book.js';
import { type FreezeRequest, freezeRequestSchema, targetOf } from './freeze-request.js';
import { verdictSchema } from './plan-view.js';
import type { RunOrigin } from './run-walk.js';
import { RunService } from './run.service.js';

const targetSchema = z.union([
  z.object({ kind: z.literal('all') }),
  z.object({ kind: z.literal('command'), glob: z.string() }),
  z.object({ kind: z.literal('key'), keyId: z.string() }),
]);
const freezeFields = {
  id: z.string(),
  target: targetSchema,
  mode: z.enum(FREEZE_MODES),
  reason: z.string(),
  createdAt: z.iso.datetime(),
  createdBy: z.string(),
};
const freezeSchema = z
  .object({ ...freezeFields, stopped: z.int().meta({ description: 'Runs that are being ended' }) })
  .meta({ id: 'Freeze' });
const freezeListSchema = z.object({ items: z.array(z.object(freezeFields)), nextCursor: z.null() }).meta({ id: 'FreezeList' });

const explainQuery = z.strictObject({
  command: z.string().min(1).max(64).meta({ description: 'Name of a command' }),
  key: z.string().min(1).max(64).optional().meta({ description: 'Id of a key; your own without it' }),
});
const explanationSchema = z
  .object({
    command: z.string(),
    keyId: z.string(),
    allowed: z.boolean(),
    deniedBy: z.enum(POLICY_RULES).nullable(),
    rules: z.array(verdictSchema),
  })
  .meta({ id: 'Explanation' });

/** Switches that hold runs back, and why a key may or may not run a command. */
@ApiTags('policy')
@Controller()
export class PolicyController {
  constructor(
    @Inject(FreezeBook) private readonly freezes: FreezeBook,
    @Inject(RunService) private readonly runs: RunService,
    @Inject(Explainer) private readonly explainer: Explainer,
  ) {}

  @Get('freezes')
  @Requires('readonly')
  @ApiOperation({ summary: 'What is frozen, oldest first' })
  @ApiOkResponse({ description: 'The switches', standardSchema: freezeListSchema })
  list(): Page<Freeze> {
    return { items: this.freezes.list(), nextCursor: null };
  }

  @Put('freezes')
  @Requires('admin')
  @ApiOperation({
    summary: 'Freeze everything, commands or a key',
    description: 'Takes the place of a freeze of the same target. It stays, over restarts too, until it is lifted.',
  })
  @ApiOkResponse({ description: 'In force and on disk', standardSchema: freezeSchema })
  async freeze(
    @Body(checked(freezeRequestSchema)) { target, mode, reason }: FreezeRequest,
    @Origin() origin: RunOrigin,
  ): Promise<Freeze & { readonly stopped: number }> {
    const freeze = await this.freezes.put({ target: targetOf(target), mode, reason }, origin);
    return { ...freeze, stopped: this.runs.enforce(freeze, origin.principal.id) };
  }

  @Delete('freezes/:id')
  @HttpCode(204)
  @Requires('admin')
  @ApiOperation({ summary: 'Lift a freeze' })
  @ApiResponse({ status: 204, description: 'It is lifted' })
  lift(@Param('id') id: string, @Origin() origin: RunOrigin): Promise<void> {
    return this.freezes.lift(id, origin);
  }

  @Get('explain')
  @Requires('readonly')
  @ApiOperation({
    summary: 'Which rule allows or denies a key a command',
    description: 'Admins ask about any key, others about their own. Arguments have a say too: `POST /plan` shows that.',
  })
  @ApiOkResponse({ description: 'What each rule says, in the order in which they are asked', standardSchema: explanationSchema })
  explain(
    @Query(checked(explainQuery)) { command, key }: z.output<typeof explainQuery>,
    @Caller() principal: Principal,
  ): Promise<Explanation> {
    return this.explainer.explain(principal, { command, keyId: key });
  }
}
