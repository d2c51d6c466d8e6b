import { Controller, Get, Inject, Query } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { AUDIT_ACTIONS, AuditStore, type AuditEntry, type AuditVerdict, type Page } from '../domain/audit.js';
import type { Answer } from '../http/answer.js';
import { limitParameter, pageAnswer } from '../http/pages.js';
import { Requires } from '../http/route-access.js';
import { checked } from '../http/validation.pipe.js';
import { verifyChain } from './audit-verifier.js';

const auditQuery = z.strictObject({
  limit: limitParameter,
  cursor: z
    .string()
    .regex(/^[1-9]\d{0,14}$/, { error: 'expected the nextCursor of a page' })
    .optional()
    .meta({ description: 'Continue after this page: its nextCursor' }),
  action: z.enum(AUDIT_ACTIONS).optional().meta({ description: 'Only entries of this action' }),
});

@ApiTags('audit')
@Controller('audit')
export class AuditController {
  constructor(@Inject(AuditStore) private readonly store: AuditStore) {}

  @Get()
  @Requires('admin')
  @ApiOperation({ summary: 'The audit log, newest entry first' })
  async page(@Query(checked(auditQuery)) query: z.output<typeof auditQuery>): Promise<Answer<Page<AuditEntry>>> {
    const { limit, cursor, action } = query;
    const page = await this.store.page({
      limit,
      ...(cursor === undefined ? {} : { before: Number(cursor) }),
      ...(action === undefined ? {} : { action }),
    });
    return pageAnswer('/audit', query, page);
  }

  @Get('verify')
  @Requires('admin')
  @ApiOperation({ summary: 'Recompute the whole chain; names the first bad entry' })
  verify(): Promise<AuditVerdict> {
    return verifyChain(this.store.entries());
  }
}
