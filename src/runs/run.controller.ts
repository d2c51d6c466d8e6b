import { Body, Controller, Header, Headers, HttpCode, Inject, Post, StreamableFile } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import { Answer } from '../http/answer.js';
import { AnswerHeader, type ClientConnection, Connection, Origin, type SetAnswerHeader } from '../http/parameters.js';
import { Requires } from '../http/route-access.js';
import { checked } from '../http/validation.pipe.js';
import { type BatchItem, BatchService, isReplay } from './batch.service.js';
import type { LiveRun } from './live-run.js';
import { parsePrefer } from './preferences.js';
import { type RunEnvelope, runEnvelopeSchema } from './run-envelope.js';
import { RunHistory } from './run-history.js';
import { type BatchRequest, batchRequestSchema, batchResponseSchema, type RunRequest, runRequestSchema } from './run-request.js';
import { eventStream, UNBUFFERED } from './run-stream.js';
import type { RunOrigin } from './run-walk.js';
import { RunService } from './run.service.js';

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  required: false,
  description:
    'Your own name for this request, 1 to 255 visible ASCII characters, bare or quoted. For 24 hours the same request with it is answered with the same run.',
  schema: { type: 'string' as const, minLength: 1, maxLength: 512 },
};
const REPLAYED = 'Idempotency-Replayed';
const REPLAYED_HEADER = {
  [REPLAYED]: {
    description: '`true`: nothing was run, an earlier request had the same Idempotency-Key',
    schema: { type: 'string' as const },
  },
};

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
    description:
      'With `Prefer: respond-async` answers 202 at once; `wait=N` waits up to N seconds first. A run that waits for approval is answered 202 too.',
  })
  @ApiResponse({ status: 200, description: 'The run, however it ended', headers: REPLAYED_HEADER, standardSchema: runEnvelopeSchema })
  @ApiResponse({ status: 202, description: 'Accepted: look at Location', headers: REPLAYED_HEADER, standardSchema: runEnvelopeSchema })
  @ApiHeader({ name: 'Prefer', required: false, description: 'respond-async, wait=N (RFC 7240)' })
  @ApiHeader(IDEMPOTENCY_KEY)
  async run(
    @Body(checked(runRequestSchema)) request: RunRequest,
    @Headers('prefer') prefer: string | undefined,
    @Origin() origin: RunOrigin,
    @Connection() connection: ClientConnection,
    @AnswerHeader() setHeader: SetAnswerHeader,
  ): Promise<RunEnvelope | Answer<RunEnvelope>> {
    const live = await this.runs.start(request, origin);
    if (live.isReplay) setHeader(REPLAYED, 'true');
    const { respondAsync, waitMs } = parsePrefer(prefer);
    if (live.isParked) return this.accepted(live);
    if (respondAsync) return this.answerLater(live, waitMs);
    connection.onGone(() => live.abort({ kind: 'cancelled', by: 'client_gone' }));
    return this.history.present(await live.finished, live.output);
  }

  @Post('batch')
  @HttpCode(200)
  @Requires('operator')
  @ApiOperation({ summary: 'Run several commands; each item is answered with its run or its problem' })
  @ApiResponse({
    status: 200,
    description: 'What became of each item, in order',
    headers: REPLAYED_HEADER,
    standardSchema: batchResponseSchema,
  })
  @ApiHeader({ ...IDEMPOTENCY_KEY, description: `${IDEMPOTENCY_KEY.description} Here it names each item by its place.` })
  async batch(
    @Body(checked(batchRequestSchema)) request: BatchRequest,
    @Origin() origin: RunOrigin,
    @Connection() connection: ClientConnection,
    @AnswerHeader() setHeader: SetAnswerHeader,
  ): Promise<{ items: readonly BatchItem[] }> {
    const items = await this.batches.run(request, origin, connection);
    if (isReplay(items)) setHeader(REPLAYED, 'true');
    return { items };
  }

  @Post('stream')
  @HttpCode(200)
  @Requires('operator')
  @Header(...UNBUFFERED)
  @ApiOperation({ summary: 'Run a command and stream its output as Server-Sent Events' })
  @ApiOkResponse({
    description: 'Events `run.awaiting_approval`, `run.started`, `output`, `run.finished`',
    headers: REPLAYED_HEADER,
    schema: { type: 'string' },
  })
  @ApiProduces('text/event-stream')
  @ApiHeader(IDEMPOTENCY_KEY)
  async stream(
    @Body(checked(runRequestSchema)) request: RunRequest,
    @Origin() origin: RunOrigin,
    @Connection() connection: ClientConnection,
    @AnswerHeader() setHeader: SetAnswerHeader,
  ): Promise<StreamableFile> {
    const live = await this.runs.start(request, origin);
    if (live.isReplay) setHeader(REPLAYED, 'true');
    connection.onGone(() => live.abort({ kind: 'cancelled', by: 'client_gone' }));
    return eventStream(live.events());
  }

  private async answerLater(live: LiveRun, waitMs: number): Promise<Answer<RunEnvelope>> {
    const applied = { 'preference-applied': 'respond-async' };
    if (waitMs > 0) {
      const run = await Promise.race([live.finished, sleep(waitMs)]);
      if (run) return new Answer(200, this.history.present(run, live.output), applied);
    }
    return this.accepted(live, applied);
  }

  private accepted(live: LiveRun, headers: Readonly<Record<string, string>> = {}): Answer<RunEnvelope> {
    const { run } = live;
    return new Answer(202, this.history.present(run, live.output), { ...headers, location: `/runs/${run.id}`, 'retry-after': '1' });
  }
}

function sleep(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined).unref());
}
