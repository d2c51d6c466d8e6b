import { Body, Controller, Delete, Get, Header, HttpCode, Inject, Param, Put } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Page } from '../domain/audit.js';
import type { Principal } from '../domain/principal.js';
import { Caller, Context } from '../http/parameters.js';
import type { RequestContext } from '../http/request-context.js';
import { Requires } from '../http/route-access.js';
import { checked } from '../http/validation.pipe.js';
import { SecretService, type SecretSummary } from './secret.service.js';
import { nameOf } from './secret-value.js';
import { type NewSecret, newSecretSchema, secretListSchema, secretSchema } from './secrets.schemas.js';

@ApiTags('secrets')
@Controller('secrets')
export class SecretsController {
  constructor(@Inject(SecretService) private readonly secrets: SecretService) {}

  @Get()
  @Requires('admin')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Names and dates of the secrets for commands, by name' })
  @ApiResponse({ status: 200, description: 'The secrets without their values', standardSchema: secretListSchema })
  async list(): Promise<Page<SecretSummary>> {
    return { items: await this.secrets.list(), nextCursor: null };
  }

  @Put(':name')
  @Requires('admin')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Set a secret for commands, or another value of it', description: 'The value is never shown again.' })
  @ApiResponse({ status: 200, description: 'It is set', standardSchema: secretSchema })
  set(
    @Param('name') name: string,
    @Body(checked(newSecretSchema)) { value }: NewSecret,
    @Caller() principal: Principal,
    @Context() { requestId }: RequestContext,
  ): Promise<SecretSummary> {
    return this.secrets.set(nameOf(name), value, { principal, requestId });
  }

  @Delete(':name')
  @HttpCode(204)
  @Requires('admin')
  @ApiOperation({ summary: 'Forget a secret', description: 'Commands that name it are refused from then on.' })
  @ApiResponse({ status: 204, description: 'It is gone' })
  delete(@Param('name') name: string, @Caller() principal: Principal, @Context() { requestId }: RequestContext): Promise<void> {
    return this.secrets.delete(name, { principal, requestId });
  }
}
