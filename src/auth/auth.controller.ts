import { Body, Controller, Delete, Get, Header, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Page } from '../domain/audit.js';
import type { Principal } from '../domain/principal.js';
import { Caller, Context } from '../http/parameters.js';
import type { RequestContext } from '../http/request-context.js';
import { Requires } from '../http/route-access.js';
import { checked } from '../http/validation.pipe.js';
import {
  callerSchema,
  type CallerView,
  createdKeySchema,
  type CreatedKeyView,
  keyListSchema,
  keySchema,
  type KeyView,
  type NewKey,
  newKeySchema,
  presentCreated,
  presentKey,
} from './auth.schemas.js';
import { KeyService } from './key.service.js';
import { RateLimits } from './rate-limits.js';

@ApiTags('keys')
@Controller('auth')
export class AuthController {
  constructor(
    @Inject(KeyService) private readonly keys: KeyService,
    @Inject(RateLimits) private readonly limits: RateLimits,
  ) {}

  @Post('token')
  @Requires('admin')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Make a key; it is shown this once' })
  @ApiResponse({ status: 201, description: 'The key', standardSchema: createdKeySchema })
  async create(
    @Body(checked(newKeySchema)) request: NewKey,
    @Caller() principal: Principal,
    @Context() { requestId }: RequestContext,
  ): Promise<CreatedKeyView> {
    const { text, key } = await this.keys.create(request, { principal, requestId });
    return presentCreated(text, key);
  }

  @Get('keys')
  @Requires('admin')
  @ApiOperation({ summary: 'All keys, oldest first' })
  @ApiResponse({ status: 200, description: 'The keys without their secrets', standardSchema: keyListSchema })
  async list(): Promise<Page<KeyView>> {
    return { items: (await this.keys.list()).map(presentKey), nextCursor: null };
  }

  @Get('keys/:id')
  @Requires('admin')
  @ApiOperation({ summary: 'One key' })
  @ApiResponse({ status: 200, description: 'The key without its secret', standardSchema: keySchema })
  async get(@Param('id') id: string): Promise<KeyView> {
    return presentKey(await this.keys.find(id));
  }

  @Delete('keys/:id')
  @HttpCode(204)
  @Requires('admin')
  @ApiOperation({ summary: 'Revoke a key', description: 'It stays in the listing. The last admin key cannot be revoked.' })
  @ApiResponse({ status: 204, description: 'The key is revoked' })
  revoke(@Param('id') id: string, @Caller() principal: Principal, @Context() { requestId }: RequestContext): Promise<void> {
    return this.keys.revoke(id, { principal, requestId });
  }

  @Get('me')
  @Requires('readonly')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Who am I, and what is left of my limits' })
  @ApiResponse({ status: 200, description: 'The caller', standardSchema: callerSchema })
  async me(@Caller() principal: Principal): Promise<CallerView> {
    const { id, name, role, scopes } = principal;
    return { id, name, role, scopes: [...scopes], limits: await this.limits.left(principal) };
  }
}
