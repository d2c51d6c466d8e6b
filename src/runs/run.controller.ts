import { Body, Controller, Header, Headers, HttpCode, Inject, Post, StreamableFile } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Principal } from '../domain/principal.js';
import { Answer } from '../http/answer.js';
import { Caller, type ClientConnection, Connection, Context } from '../http/parameters.js';
import type { RequestContext } from '../http/request-context.js';
import { Requires } from '../http/route-access.js';
import { checked } from '../http/validation.pipe.js';
import { type BatchItem, BatchService } from './batch.service.js';
import type { LiveRun } from './live-run.js';
import { parsePrefer } from './preferences.js';
import { type RunEnvelope, runEnvelopeSchema } from './run-envelope.js';
import { RunHistory } from './run-history.js';
import { type BatchRequest, batchRequestSchema, batchResponseSchema, type RunRequest, runRequestSchema } from './run-request.js';
import { eventStream, UNBUFFERED } from './run-stream.js';
import type { RunOrigin } from './run-walk.js';
import { RunService } from './run.service.js';

/** The doors that start runs. */
@ApiTags('run')
@Controller()
export class RunController {
  constructor(
    @Inject(RunService) private readonly runs: RunService,
    @Inject(RunHistory) private readonly history: RunHistory,
    @Inject(BatchService) private readonly batches: BatchService,
  ) {}

  @Post('run')
  @HttpCode(200)
  @Requires('operator')
  @ApiOperation({
    summary: 'Run a command and wait for its end',
    description: 'With `Prefer: respond-async` answers 202 at once; `wait=N` waits up to N seconds first.',
  })
  @ApiResponse({ status: 200, description: 'The run, however it ended', standardSchema: runEnvelopeSchema })
  @ApiResponse({ status: 202, description: 'Accepted: look at Location', standardSchema: runEnvelopeSchema })
  @ApiHeader({ name: 'Prefer', required: false, description: 'respond-async, wait=N (RFC 7240)' })
  async run(
    @Body(checked(runRequestSchema)) request: RunRequest,
    @Headers('prefer') prefer: string | undefined,
    @Caller() principal: Principal,
    @Context() context: RequestContext,
    @Connection() connection: ClientConnection,
  ): Promise<RunEnvelope | Answer<RunEnvelope>> {
    const live = await this.runs.start(request, originOf(principal, context));
    const { respondAsync, waitMs } = parsePrefer(prefer);
    if (respondAsync) return this.answerLater(live, waitMs);
    connection.onGone(() => live.abort({ kind: 'cancelled', by: 'client_gone' }));
    return this.history.present(await live.finished, live.output);
  }

  @Post('batch')
  @HttpCode(200)
  @Requires('operator')
  @ApiOperation({ summary: 'Run several commands; each item is answered with its run or its problem' })
  @ApiResponse({ status: 200, description: 'What became of each item, in order', standardSchema: batchResponseSchema })
  async batch(
    @Body(checked(batchRequestSchema)) request: BatchRequest,
    @Caller() principal: Principal,
    @Context() context: RequestContext,
    @Connection() connection: ClientConnection,
  ): Promise<{ items: readonly BatchItem[] }> {
    return { items: await this.batches.run(request, originOf(principal, context), connection) };
  }

  @Post('stream')
  @HttpCode(200)
  @Requires('operator')
  @Header(...UNBUFFERED)
  @ApiOperation({ summary: 'Run a command and stream its output as Server-Sent Events' })
  @ApiOkResponse({ description: 'Events `run.started`, `output`, `run.finished`', schema: { type: 'string' } })
  @ApiProduces('text/event-stream')
  async stream(
    @Body(checked(runRequestSchema)) request: RunRequest,
    @Caller() principal: Principal,
    @Context() context: RequestContext,
    @Connection() connection: ClientConnection,
  ): Promise<StreamableFile> {
    const live = await this.runs.start(request, originOf(principal, context));
    connection.onGone(() => live.abort({ kind: 'cancelled', by: 'client_gone' }));
    return eventStream(live.events());
  }

  private async answerLater(live: LiveRun, waitMs: number): Promise<Answer<RunEnvelope>> {
    const applied = { 'preference-applied': 'respond-async' };
    if (waitMs > 0) {
      const run = await Promise.race([live.finished, sleep(waitMs)]);
      if (run) return new Answer(200, this.history.present(run, live.output), applied);
    }
    return new Answer(202, this.history.present(live.run, live.output), {
      ...applied,
      location: `/runs/${live.run.id}`,
      'retry-after': '1',
    });
  }
}

function originOf(principal: Principal, { requestId, traceparent }: RequestContext): RunOrigin {
  return { principal, requestId, traceparent };
}

function sleep(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined).unref());
}
