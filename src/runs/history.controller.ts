import { Readable } from 'node:stream';
import { Controller, Get, Header, Headers, HttpCode, Inject, Param, Post, Query, StreamableFile } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { Page } from '../domain/audit.js';
import { GatewayError } from '../domain/errors.js';
import type { Principal } from '../domain/principal.js';
import { type OutputChunk, RUN_STATUSES } from '../domain/run.js';
import { Answer } from '../http/answer.js';
import { limitParameter, pageAnswer } from '../http/pages.js';
import { Caller } from '../http/parameters.js';
import { Requires } from '../http/route-access.js';
import { checked } from '../http/validation.pipe.js';
import { type RunEnvelope, runEnvelopeSchema, type RunSummary, runSummarySchema, summarise, textOf } from './run-envelope.js';
import { RunHistory } from './run-history.js';
import { eventStream, UNBUFFERED } from './run-stream.js';

const runId = z
  .string()
  .min(1)
  .max(64)
  .meta({ description: 'Id of a run', examples: ['run_0199a1b2c3d47e5f8a9b0c1d2e3f4a5b'] });
const listQuery = z.strictObject({
  limit: limitParameter,
  cursor: z.string().max(64).optional().meta({ description: '`nextCursor` of the page before' }),
  command: z.string().max(64).optional(),
  status: z.enum(RUN_STATUSES).optional(),
});
const runPageSchema = z.object({ items: z.array(runSummarySchema), nextCursor: z.string().nullable() }).meta({ id: 'RunPage' });
const outputQuery = z.strictObject({ stream: z.enum(['stdout', 'stderr']).optional() });

/** What became of runs. Callers see their own; admins all. */
@ApiTags('runs')
@Controller('runs')
export class HistoryController {
  constructor(@Inject(RunHistory) private readonly history: RunHistory) {}

  @Get()
  @Requires('readonly')
  @ApiOperation({ summary: 'Runs, newest first' })
  @ApiOkResponse({ description: 'A page', standardSchema: runPageSchema })
  async list(
    @Query(checked(listQuery)) query: z.output<typeof listQuery>,
    @Caller() principal: Principal,
  ): Promise<Answer<Page<RunSummary>>> {
    const page = await this.history.page(principal, query);
    return pageAnswer('/runs', query, { ...page, items: page.items.map(summarise) });
  }

  @Get(':id')
  @Requires('readonly')
  @ApiOperation({ summary: 'One run with its output so far' })
  @ApiOkResponse({ description: 'The run', standardSchema: runEnvelopeSchema })
  get(@Param('id', checked(runId)) id: string, @Caller() principal: Principal): Promise<RunEnvelope> {
    return this.history.envelope(principal, id);
  }

  @Get(':id/output')
  @Requires('readonly')
  @Header('x-content-type-options', 'nosniff')
  @ApiOperation({
    summary: 'Output of a run: text, or chunks as ndjson',
    description: 'Control characters are escaped in the text form and kept in the ndjson form.',
  })
  @ApiHeader({ name: 'Accept', required: false, description: 'text/plain (default) or application/x-ndjson' })
  @ApiProduces('text/plain', 'application/x-ndjson')
  async output(
    @Param('id', checked(runId)) id: string,
    @Query(checked(outputQuery)) { stream }: z.output<typeof outputQuery>,
    @Headers('accept') accept: string | undefined,
    @Caller() principal: Principal,
  ): Promise<StreamableFile> {
    const chunks = (await this.history.output(principal, id)).filter((chunk) => stream === undefined || chunk.stream === stream);
    if (accept?.includes('application/x-ndjson'))
      return new StreamableFile(Readable.from(ndjson(chunks)), { type: 'application/x-ndjson' });
    const text = stream ? textOf(chunks, stream) : chunks.map(({ data }) => data).join('');
    return new StreamableFile(Buffer.from(escapeControls(text)), { type: 'text/plain; charset=utf-8' });
  }

  @Get(':id/stream')
  @Requires('readonly')
  @Header(...UNBUFFERED)
  @ApiOperation({ summary: 'Events of a run, live or replayed' })
  @ApiHeader({ name: 'Last-Event-ID', required: false, description: 'Resume after this output chunk' })
  @ApiProduces('text/event-stream')
  async stream(
    @Param('id', checked(runId)) id: string,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Caller() principal: Principal,
  ): Promise<StreamableFile> {
    if (lastEventId !== undefined && !/^\d{1,9}$/.test(lastEventId)) {
      throw new GatewayError('invalid_request', 'Last-Event-ID is not the id of an output event.');
    }
    return eventStream(await this.history.events(principal, id, Number(lastEventId ?? 0)));
  }

  @Post(':id/cancel')
  @HttpCode(202)
  @Requires('operator')
  @ApiResponse({ status: 202, description: 'It is being ended', standardSchema: runSummarySchema })
  @ApiOperation({ summary: 'End a run: TERM to its process group, then KILL' })
  async cancel(@Param('id', checked(runId)) id: string, @Caller() principal: Principal): Promise<RunSummary> {
    const live = await this.history.findLive(principal, id);
    if (!live) throw new GatewayError('conflict', 'The run has already ended.');
    live.abort({ kind: 'cancelled', by: principal.id });
    return summarise(live.run);
  }
}

function* ndjson(chunks: readonly OutputChunk[]): Generator<string> {
  for (const chunk of chunks) yield `${JSON.stringify(chunk)}\n`;
}

/** Control characters (but line feed and tab) as `\x1b`, so that output cannot steer a terminal. */
function escapeControls(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
