import { Controller, Get, Header, Inject } from '@nestjs/common';
import { ApiExcludeController, type OpenAPIObject } from '@nestjs/swagger';
import { stringify } from 'yaml';
import type { Principal } from '../domain/principal.js';
import { OptionalCaller } from '../http/parameters.js';
import { AccessBySetting } from '../http/route-access.js';
import { canSee } from '../auth/permissions.js';
import { Catalogue } from '../commands/catalogue.js';
import { withCommands } from './openapi-document.js';

/** The document of the routes, built when somebody first asks for it. */
export class OpenApiDocument {
  private built: OpenAPIObject | undefined;
  private build: (() => OpenAPIObject) | undefined;

  /** @param build to be called once the routes are known */
  describe(build: () => OpenAPIObject): void {
    this.build = build;
  }

  get routes(): OpenAPIObject {
    if (!this.build) throw new Error('The routes are not known yet.');
    return (this.built ??= this.build());
  }
}

/** The generated spec. With a key it also describes the commands which that key may run. */
@ApiExcludeController()
@Controller()
export class OpenApiController {
  constructor(
    @Inject(OpenApiDocument) private readonly document: OpenApiDocument,
    @Inject(Catalogue) private readonly catalogue: Catalogue,
  ) {}

  @Get('openapi.json')
  @AccessBySetting('DOCS_ACCESS')
  @Header('cache-control', 'no-store')
  json(@OptionalCaller() principal: Principal | undefined): OpenAPIObject {
    const commands = principal ? this.catalogue.all().filter((command) => canSee(principal, command)) : [];
    return withCommands(this.document.routes, commands);
  }

  @Get('openapi.yaml')
  @AccessBySetting('DOCS_ACCESS')
  @Header('cache-control', 'no-store')
  @Header('content-type', 'application/yaml; charset=utf-8')
  yaml(@OptionalCaller() principal: Principal | undefined): string {
    return stringify(this.json(principal), { aliasDuplicateObjects: false });
  }
}
