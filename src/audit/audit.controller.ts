import { Readable } from 'node:stream';
import { Controller, Get, Inject, Query, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { AUDIT_ACTIONS, AuditStore, type AuditEntry, type AuditVerdict, type Page } from '../domain/audit.js';
import { GatewayError } from '../domain/errors.js';
import type { Answer } from '../http/answer.js';
import { limitParameter, pageAnswer } from '../http/pages.js';
import { Requires } from '../http/route-access.js';
import { checked } from '../http/validation.pipe.js';
import { EXPORT_FORMATS, exported } from './audit-export.js';
import { AuditReview, type CheckpointView } from './audit-review.js';

const instant = z.iso
  .datetime({ offset: true, error: 'expected an instant such as 2026-01-31T12:00:00Z' })
  .transform((text) => new Date(text).toISOString())
  .optional();
const word = z.string().min(1).max(128).optional();

const auditQuery = z.strictObject({
  limit: limitParameter,
  cursor: z
    .string()
    .regex(/^[1-9]\d{0,14}$/, { error: 'expected the nextCursor of a page' })
    .optional()
    .meta({ description: 'Continue after this page: its nextCursor' }),
  action: z.enum(AUDIT_ACTIONS).optional().meta({ description: 'Only entries of this action' }),
  principal: word.meta({ description: 'Only what this key (or `local`, `anonymous`) did' }),
  subject: word.meta({ description: 'Only entries about this run, key, route …' }),
  from: instant.meta({ description: 'Only entries from this instant on' }),
  to: instant.meta({ description: 'Only entries before this instant' }),
});
const exportQuery = z.strictObject({
  format: z.enum(EXPORT_FORMATS).default('ndjson').meta({ description: 'ndjson can be verified; csv is for spreadsheets' }),
});
const checkpointSchema = z
  .object({
    size: z.int().meta({ description: 'Entries that it speaks of' }),
    at: z.string(),
    note: z.string().meta({ description: 'The signed note: what `sallyport audit verify --checkpoint` takes' }),
    publicKey: z.string().meta({ description: 'What `--public-key` takes. Keep it elsewhere' }),
  })
  .meta({ id: 'AuditCheckpoint' });

@ApiTags('audit')
@Controller('audit')
export class AuditController {
  constructor(
    @Inject(AuditStore) private readonly store: AuditStore,
    @Inject(AuditReview) private readonly review: AuditReview,
  ) {}

  @Get()
  @Requires('admin')
  @ApiOperation({ summary: 'The audit log, newest entry first' })
  async page(@Query(checked(auditQuery)) query: z.output<typeof auditQuery>): Promise<Answer<Page<AuditEntry>>> {
    const { cursor, ...wanted } = query;
    const page = await this.store.page({ ...wanted, before: cursor === undefined ? undefined : Number(cursor) });
    return pageAnswer('/audit', query, page);
  }

  @Get('verify')
  @Requires('admin')
  @ApiOperation({ summary: 'Check the whole log and its checkpoints; names the first bad entry' })
  verify(): Promise<AuditVerdict> {
    return this.review.verify();
  }

  @Get('checkpoint')
  @Requires('admin')
  @ApiOperation({ summary: 'The newest signed checkpoint, and the key to check it with' })
  @ApiOkResponse({ description: 'The checkpoint', standardSchema: checkpointSchema })
  async checkpoint(): Promise<CheckpointView> {
    const checkpoint = await this.review.checkpoint();
    if (!checkpoint) throw new GatewayError('not_found', 'No checkpoint has been signed yet.');
    return checkpoint;
  }

  @Get('export')
  @Requires('admin')
  @ApiOperation({ summary: 'The whole log, oldest entry first, as a stream' })
  @ApiProduces('application/x-ndjson', 'text/csv')
  export(@Query(checked(exportQuery)) { format }: z.output<typeof exportQuery>): StreamableFile {
    const type = format === 'csv' ? 'text/csv; charset=utf-8' : 'application/x-ndjson';
    const pieces = Readable.from(exported(this.store.entries(), format), { objectMode: false, highWaterMark: 64 * 1024 });
    return new StreamableFile(pieces, { type, disposition: `attachment; filename="audit.${format}"` });
  }
}
