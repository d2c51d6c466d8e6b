import { Body, Controller, Delete, Get, Header, HttpCode, Inject, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { z } from 'zod';
import type { Page } from '../domain/audit.js';
import type { ApiKey, Principal } from '../domain/principal.js';
import type { Answer } from '../http/answer.js';
import { pageAnswer } from '../http/pages.js';
import { Caller, Context } from '../http/parameters.js';
import type { RequestContext } from '../http/request-context.js';
import { Requires } from '../http/route-access.js';
import { checked } from '../http/validation.pipe.js';
import {
  callerSchema,
  type ChangeRequest,
  childKeySchema,
  keyChangeSchema,
  type KeyPageQuery,
  keyPageQuery,
  type NewChildKey,
  presentRotated,
  rotatedKeySchema,
  type RotatedKeyView,
  rotationSchema,
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
import { KeyBudgets } from './key-budgets.js';
import { KeyService } from './key.service.js';
import { pinsFor } from './permissions.js';
import { RateLimits } from './rate-limits.js';
import { TokenBudgets } from './token-budgets.js';

const OWN_KEYS = 'Operators reach their own key and those that were made from it; to them no other exists. Admins reach all.';

@ApiTags('keys')
@Controller('auth')
export class AuthController {
  constructor(
    @Inject(KeyService) private readonly keys: KeyService,
    @Inject(RateLimits) private readonly limits: RateLimits,
    @Inject(KeyBudgets) private readonly budgets: KeyBudgets,
    @Inject(TokenBudgets) private readonly tokens: TokenBudgets,
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
  @ApiResponse({ status: 200, description: 'A page of keys without their secrets', standardSchema: keyListSchema })
  async list(@Query(checked(keyPageQuery)) query: KeyPageQuery): Promise<Answer<Page<KeyView>>> {
    return presentPage('/auth/keys', query, await this.keys.page(query));
  }

  @Get('keys/:id')
  @Requires('operator')
  @ApiOperation({ summary: 'One key', description: OWN_KEYS })
  @ApiResponse({ status: 200, description: 'The key without its secret', standardSchema: keySchema })
  async get(@Param('id') id: string, @Caller() principal: Principal): Promise<KeyView> {
    return presentKey(await this.keys.findOwn(id, principal));
  }

  @Patch('keys/:id')
  @Requires('admin')
  @ApiOperation({ summary: 'Change a key', description: 'Takes effect at once. Where its rights change, its open streams end.' })
  @ApiResponse({ status: 200, description: 'The key as it is now', standardSchema: keySchema })
  async change(
    @Param('id') id: string,
    @Body(checked(keyChangeSchema)) request: ChangeRequest,
    @Caller() principal: Principal,
    @Context() { requestId }: RequestContext,
  ): Promise<KeyView> {
    return presentKey(await this.keys.change(id, request, { principal, requestId }));
  }

  @Post('keys/:id/rotate')
  @HttpCode(200)
  @Requires('admin')
  @ApiOperation({ summary: 'Give a key another secret', description: 'The old one is taken for the overlap, then no more.' })
  @ApiResponse({ status: 200, description: 'The key, with its new secret', standardSchema: rotatedKeySchema })
  async rotate(
    @Param('id') id: string,
    @Body(checked(rotationSchema)) { overlap }: z.output<typeof rotationSchema>,
    @Caller() principal: Principal,
    @Context() { requestId }: RequestContext,
  ): Promise<RotatedKeyView> {
    const { text, key } = await this.keys.rotate(id, overlap, { principal, requestId });
    return presentRotated(text, key);
  }

  @Get('keys/:id/children')
  @Requires('operator')
  @ApiOperation({ summary: 'Keys that were made from this one', description: OWN_KEYS })
  @ApiResponse({ status: 200, description: 'A page of keys without their secrets', standardSchema: keyListSchema })
  async children(
    @Param('id') id: string,
    @Query(checked(keyPageQuery)) query: KeyPageQuery,
    @Caller() principal: Principal,
  ): Promise<Answer<Page<KeyView>>> {
    return presentPage(`/auth/keys/${id}/children`, query, await this.keys.children(id, query, principal));
  }

  @Post('keys/:id/children')
  @Requires('operator')
  @ApiOperation({ summary: 'Make a narrower key from this one; it is shown this once', description: OWN_KEYS })
  @ApiResponse({ status: 201, description: 'The key', standardSchema: createdKeySchema })
  async createChild(
    @Param('id') id: string,
    @Body(checked(childKeySchema)) request: NewChildKey,
    @Caller() principal: Principal,
    @Context() { requestId }: RequestContext,
  ): Promise<CreatedKeyView> {
    const { text, key } = await this.keys.createChild(id, request, { principal, requestId });
    return presentCreated(text, key);
  }

  @Delete('keys/:id')
  @HttpCode(204)
  @Requires('operator')
  @ApiOperation({
    summary: 'Revoke a key and all that were made from it',
    description:
      'They stay in the listing, and their open streams end. Operators revoke keys that were made from their own. The last admin key cannot be revoked.',
  })
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
    const { id, name, role, scopes, bounds } = principal;
    const [limits, left, tokens] = await Promise.all([
      this.limits.left(principal),
      this.budgets.left(principal),
      this.tokens.left(principal),
    ]);
    return {
      id,
      name,
      role,
      scopes: [...scopes],
      limits,
      ...left,
      tokens,
      pinned: pinsFor(principal),
      parentId: bounds?.parent?.id ?? null,
    };
  }
}

function presentPage(path: string, query: KeyPageQuery, { items, nextCursor }: Page<ApiKey>): Answer<Page<KeyView>> {
  return pageAnswer(path, query, { items: items.map(presentKey), nextCursor });
}
