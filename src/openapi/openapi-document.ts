import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { z } from 'zod';
import type { Command } from '../domain/command.js';
import { ERRORS } from '../domain/errors.js';
import { VERSION } from '../config/version.js';
import type { RegisteredRoute } from '../http/routing-table.js';
import { describeAccess } from './access-words.js';

type Json = Record<string, unknown>;

const KEY_SECURITY = [{ key: [] }, { bearer: [] }];

const problemSchema = {
  type: 'object',
  description: 'RFC 9457 problem; `code` is explained in docs/errors.md',
  required: ['type', 'title', 'status', 'code', 'detail', 'requestId'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(ERRORS) },
    detail: { type: 'string' },
    requestId: { type: 'string' },
    traceId: { type: 'string', description: 'The trace of the request (W3C Trace Context), as log lines have it' },
    runId: { type: 'string', description: 'The run that this is about, where there is one' },
    proposal: {
      type: 'object',
      description: 'Of text that no phrase matches: a command that it may mean. Nothing was run',
      required: ['command', 'args'],
      properties: { command: { type: 'string' }, args: { type: 'object' } },
    },
    planId: { type: 'string', description: 'The plan of the proposal: `POST /run {planId}` runs it' },
    errors: {
      type: 'array',
      items: { type: 'object', required: ['path', 'message'], properties: { path: { type: 'string' }, message: { type: 'string' } } },
    },
  },
};

/** The spec of the routes themselves: the same for everybody, and naming no command. */
export function buildDocument(app: INestApplication, routes: readonly RegisteredRoute[]): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Sallyport')
    .setDescription('A command gateway: declared commands, run for callers with keys, along one guarded path.')
    .setVersion(VERSION)
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer('/', 'This gateway')
    .addApiKey({ type: 'apiKey', in: 'header', name: 'X-API-Key' }, 'key')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'The same key as a bearer token' }, 'bearer')
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    standardSchemaConverter: convertSchema,
    operationIdFactory: (_controller, method) => method,
  });
  document.components ??= {};
  document.components.schemas = { ...document.components.schemas, Problem: problemSchema as never };
  nameOperations(document, routes);
  return document;
}

/** The spec as one caller may see it: each command that it may run becomes a form of the run request. */
export function withCommands(document: OpenAPIObject, commands: readonly Command[]): OpenAPIObject {
  if (commands.length === 0) return document;
  const forms = Object.fromEntries(commands.map((command) => [`Run.${command.name}`, runForm(command)]));
  const schemas = document.components?.schemas ?? {};
  const request = schemas['RunRequest'] as Json | undefined;
  const alternatives = [
    ...((request?.['anyOf'] as Json[] | undefined) ?? []).slice(1),
    ...Object.keys(forms).map((name) => ({ $ref: `#/components/schemas/${name}` })),
  ];
  return {
    ...document,
    components: { ...document.components, schemas: { ...schemas, ...forms, RunRequest: { ...request, anyOf: alternatives } } },
  };
}

function runForm({ name, summary, argumentsSchema }: Command): Json {
  const { $schema: _dialect, ...args } = argumentsSchema as Json;
  const required = Array.isArray(args['required']) && args['required'].length > 0 ? ['command', 'args'] : ['command'];
  return {
    type: 'object',
    title: name,
    description: summary,
    required,
    properties: { command: { const: name }, args },
    additionalProperties: false,
  };
}

/**
 * Nest's own conversion targets OpenAPI 3.0; ours JSON Schema 2020-12, which 3.1 uses. Schemas with an id become components.
 * An output schema must have another id than any input schema: the two may differ.
 */
function convertSchema(schema: unknown, { schemaType }: { schemaType: 'input' | 'output' }) {
  const {
    $schema: _dialect,
    $defs = {},
    ...converted
  } = z.toJSONSchema(schema as z.ZodType, { target: 'draft-2020-12', io: schemaType }) as Json;
  const components = Object.fromEntries(Object.entries($defs as Json).map(([name, definition]) => [name, inComponents(definition)]));
  const { id, ...body } = inComponents(converted);
  if (typeof id !== 'string') return { schema: body, components };
  return { schema: { $ref: `#/components/schemas/${id}` }, components: { ...components, [id]: body } };
}

function inComponents(schema: unknown): Json {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'), (_key, value: unknown) => value) as Json;
}

/** Each operation gets an unambiguous id, its role, its security and the shape of its refusals. */
function nameOperations(document: OpenAPIObject, routes: readonly RegisteredRoute[]): void {
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item as Record<string, Json>)) {
      if (typeof operation !== 'object' || !('responses' in operation)) continue;
      const url = path.replace(/\{(\w+)\}/g, ':$1');
      const access = routes.find((route) => route.url === url && route.method === method.toUpperCase())?.mark?.access ?? 'public';
      operation['operationId'] = `${method}${path.replace(/[^A-Za-z0-9]+(\w?)/g, (_match, letter: string) => letter.toUpperCase())}`;
      operation['description'] = [operation['description'], `Access: ${describeAccess(access)}.`].filter(Boolean).join('\n\n');
      operation['security'] =
        access === 'public' ? [] : typeof access === 'object' || access === 'optional' ? [{}, ...KEY_SECURITY] : KEY_SECURITY;
      const refusal = {
        description: 'Refused',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      };
      operation['responses'] = { ...(operation['responses'] as Json), '4XX': refusal, '5XX': refusal };
    }
  }
}
