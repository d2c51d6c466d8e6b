import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { commandOf } from '../../test/kit/catalogue-of.js';
import { catalogueJsonSchema } from './catalogue-json-schema.js';
import { commandDescriptionSchema, describeCommand } from './describe-command.js';

describe('the description of a command', () => {
  it('fits its schema and carries what a caller needs', async () => {
    const params = {
      count: { type: 'integer', min: 1, max: 200, default: 20, description: 'How many' },
      name: { type: 'string' },
      more: { type: 'boolean', optional: true },
    };
    const command = await commandOf({ exec: ['echo', '{count}', '{name}', '{more}'], params });
    const description = describeCommand(command, 'http://127.0.0.1:8080', new Set());
    expect(commandDescriptionSchema.parse(description)).toEqual(description);
    expect(description.params).toMatchObject({
      type: 'object',
      additionalProperties: false,
      required: ['name'],
      properties: {
        count: { type: 'integer', minimum: 1, maximum: 200, default: 20, description: 'How many' },
        name: { type: 'string', not: { pattern: '^-' } },
      },
    });
    expect(description.example).toEqual({ args: { count: 20, name: 'text' } });
  });

  it('gives a curl line that a shell reads as meant', async () => {
    const command = await commandOf({ exec: ['echo', '{a}'], params: { a: { type: 'string', default: "it's $HOME" } } });
    const line = describeCommand(command, 'http://127.0.0.1:8080', new Set()).curl.replace(/^curl/, "printf '%s\\n'");
    const words = execFileSync('sh', ['-c', line], { env: { SALLYPORT_KEY: 'k' }, encoding: 'utf8' })
      .trimEnd()
      .split('\n');
    expect(words).toEqual([
      '-sS',
      'http://127.0.0.1:8080/run',
      '-H',
      'X-API-Key: k',
      '-H',
      'Content-Type: application/json',
      '-d',
      `{"command":"test","args":{"a":"it's $HOME"}}`,
    ]);
  });
});

describe('the JSON Schema of catalogue files', () => {
  it('is the one in docs', () => {
    expect(JSON.parse(readFileSync('docs/catalogue.schema.json', 'utf8'))).toEqual(JSON.parse(JSON.stringify(catalogueJsonSchema())));
  });
});
