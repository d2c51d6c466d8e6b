import { Controller, Get, Header, Inject, Param } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { GatewayError } from '../domain/errors.js';
import type { Principal } from '../domain/principal.js';
import { BaseUrl, Caller } from '../http/parameters.js';
import { Requires } from '../http/route-access.js';
import { canSee } from '../auth/permissions.js';
import { SecretService } from '../secrets/secret.service.js';
import { Catalogue } from './catalogue.js';
import { type CommandDescription, commandDescriptionSchema, describeCommand } from './describe-command.js';

const listSchema = z.object({ items: z.array(commandDescriptionSchema), nextCursor: z.null() }).meta({ id: 'CommandList' });

/** What the caller's key may run. */
@ApiTags('commands')
@Controller('commands')
export class CommandsController {
  constructor(
    @Inject(Catalogue) private readonly catalogue: Catalogue,
    @Inject(SecretService) private readonly secrets: SecretService,
  ) {}

  @Get()
  @Requires('readonly')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Commands that this key may see, by name' })
  @ApiOkResponse({ standardSchema: listSchema })
  async list(@Caller() principal: Principal, @BaseUrl() baseUrl: string): Promise<z.output<typeof listSchema>> {
    const visible = this.catalogue.all().filter((command) => canSee(principal, command));
    const set = await this.secrets.namesSet();
    return { items: visible.map((command) => describeCommand(command, baseUrl, set)), nextCursor: null };
  }

  @Get(':name')
  @Requires('readonly')
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'One command: its params as JSON Schema and a curl line that runs it' })
  @ApiOkResponse({ standardSchema: commandDescriptionSchema })
  async get(@Param('name') name: string, @Caller() principal: Principal, @BaseUrl() baseUrl: string): Promise<CommandDescription> {
    const command = this.catalogue.get(name);
    if (!command || !canSee(principal, command)) throw new GatewayError('command_unknown', 'There is no such command.');
    return describeCommand(command, baseUrl, await this.secrets.namesSet());
  }
}
