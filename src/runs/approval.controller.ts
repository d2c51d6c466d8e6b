import { Body, Controller, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { Page } from '../domain/audit.js';
import type { Principal } from '../domain/principal.js';
import { Caller, Origin } from '../http/parameters.js';
import { Requires } from '../http/route-access.js';
import { checked } from '../http/validation.pipe.js';
import { Redaction } from '../redaction/redaction.js';
import type { Parked } from './approval-desk.js';
import { ApprovalService } from './approval.service.js';
import { executionSchema, presentExecution } from './plan-view.js';
import { type RunSummary, runSummarySchema, summarise } from './run-envelope.js';
import type { RunOrigin } from './run-walk.js';

const runId = z.string().min(1).max(64).meta({ description: 'Id of a run that waits' });
const approvalSchema = z.strictObject({
  fingerprint: z.string().min(1).max(128).meta({ description: 'The `fingerprint` of what was looked at: nothing else is approved' }),
});
const waitingSchema = executionSchema.extend({
  runId: z.string(),
  requestedBy: z.object({ id: z.string(), name: z.string() }),
  requestedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
});
/** A run that waits, and what it would start. */
export type WaitingView = z.output<typeof waitingSchema>;
const waitingListSchema = z.object({ items: z.array(waitingSchema), nextCursor: z.null() }).meta({ id: 'ApprovalList' });

/** Where runs wait for somebody else. Each is approved or denied once, by the id of the run. */
@ApiTags('approvals')
@Controller('approvals')
export class ApprovalController {
  constructor(
    @Inject(ApprovalService) private readonly approvals: ApprovalService,
    @Inject(Redaction) private readonly redaction: Redaction,
  ) {}

  @Get()
  @Requires('operator')
  @ApiOperation({ summary: 'Runs that wait for approval, oldest first: your own, and those of commands that you may run' })
  @ApiOkResponse({ description: 'What would be started, for each', standardSchema: waitingListSchema })
  list(@Caller() principal: Principal): Page<WaitingView> {
    return { items: this.approvals.list(principal).flatMap((parked) => present(parked, this.redaction)), nextCursor: null };
  }

  @Post(':id/approve')
  @HttpCode(200)
  @Requires('operator')
  @ApiOperation({
    summary: 'Let a run start, exactly as it is shown',
    description: 'Never your own run, nor that of a key which made yours. Anything that has changed since voids it.',
  })
  @ApiOkResponse({ description: 'The run, on its way', standardSchema: runSummarySchema })
  async approve(
    @Param('id', checked(runId)) id: string,
    @Body(checked(approvalSchema)) { fingerprint }: z.output<typeof approvalSchema>,
    @Origin() origin: RunOrigin,
  ): Promise<RunSummary> {
    return summarise(await this.approvals.approve(id, origin, fingerprint));
  }

  @Post(':id/deny')
  @HttpCode(200)
  @Requires('operator')
  @ApiOperation({ summary: 'End a run that waits, unstarted', description: 'Who asked for it cancels it instead.' })
  @ApiOkResponse({ description: 'The run, as it was', standardSchema: runSummarySchema })
  async deny(@Param('id', checked(runId)) id: string, @Origin() origin: RunOrigin): Promise<RunSummary> {
    return summarise(await this.approvals.deny(id, origin));
  }
}

function present({ walk, expiresAt }: Parked, redaction: Redaction): WaitingView[] {
  const { command, preparation, seal, live, origin } = walk;
  if (!seal) return [];
  const { id, name } = origin.principal;
  const { id: run, queuedAt } = live.run;
  const execution = presentExecution(command, preparation, { seal, redaction });
  return [{ runId: run, requestedBy: { id, name }, requestedAt: queuedAt, expiresAt, ...execution }];
}
