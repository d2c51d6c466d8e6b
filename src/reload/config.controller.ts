import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { Catalogue } from '../commands/catalogue.js';
import { LiveSettings } from '../config/live-settings.js';
import { Origin, type RequestOrigin } from '../http/parameters.js';
import { Requires } from '../http/route-access.js';
import { ReloadService } from './reload.service.js';

const names = z.array(z.string());

const configurationSchema = z
  .object({
    settings: z.array(
      z.object({
        name: z.string(),
        value: z.string().nullable().meta({ description: 'In effect, as it was written; `[redacted]` for a secret' }),
        source: z.enum(['environment', 'secret file', '.env', 'sallyport.yaml', 'default', 'unset']),
        reloadable: z.boolean().meta({ description: 'Whether a reload applies it' }),
        needsRestart: z.boolean().meta({ description: 'Another value is given by now; a restart applies it' }),
      }),
    ),
    catalogue: z.object({ digest: z.string(), commands: z.int(), loadedAt: z.string().nullable() }),
    lastReload: z
      .object({ result: z.enum(['applied', 'unchanged', 'rejected', 'failed']), at: z.string(), mistakes: z.int() })
      .nullable()
      .meta({ description: 'Null before the first one' }),
  })
  .meta({ id: 'Configuration' });

const reloadReportSchema = z
  .object({
    result: z.enum(['applied', 'unchanged']),
    catalogue: z.object({ digest: z.string(), commands: z.int(), added: names, changed: names, removed: names }),
    settings: z.object({
      applied: names,
      needsRestart: names.meta({ description: 'Given otherwise than they are in effect: a restart applies them' }),
    }),
  })
  .meta({ id: 'ReloadReport' });

/** What is in force, and how to put in force what the files say by now. */
@ApiTags('operations')
@Controller('config')
export class ConfigController {
  constructor(
    @Inject(LiveSettings) private readonly settings: LiveSettings,
    @Inject(Catalogue) private readonly catalogue: Catalogue,
    @Inject(ReloadService) private readonly reloads: ReloadService,
  ) {}

  @Get()
  @Requires('admin')
  @ApiOperation({ summary: 'Settings in effect, each with its source; the catalogue in force; the last reload' })
  @ApiOkResponse({ standardSchema: configurationSchema })
  get(): z.input<typeof configurationSchema> {
    const { digest, loadedAt } = this.catalogue;
    return {
      settings: this.settings.describe(),
      catalogue: { digest, commands: this.catalogue.all().length, loadedAt },
      lastReload: this.reloads.lastReload,
    };
  }

  @Post('reload')
  @HttpCode(200)
  @Requires('admin')
  @ApiOperation({
    summary: 'Read settings and catalogue anew',
    description: 'All or nothing: `configuration_mistaken` names every mistake, and what is in force stays.',
  })
  @ApiOkResponse({ standardSchema: reloadReportSchema })
  reload(@Origin() { principal, requestId }: RequestOrigin): Promise<object> {
    return this.reloads.reload({ trigger: 'request', principalId: principal.id, requestId });
  }
}
