import { z } from 'zod';
import { runEnvelopeSchema } from './run-envelope.js';
import type { RunVia } from './run-via.js';

/** What a caller may ask: a command by name with arguments, free text that a phrase resolves, or a plan that was made before. */
export interface RunRequest {
  readonly command?: string | undefined;
  readonly args?: unknown;
  readonly text?: string | undefined;
  readonly planId?: string | undefined;
  /** Given by rooms of ours alone: no request body has it. */
  readonly via?: RunVia;
}

/** Passed on as it came: Zod's records leave out `__proto__`, and an argument must be refused, not lost. */
const args = z
  .unknown()
  .refine(isObject, { error: 'expected an object' })
  .meta({
    description: 'Its arguments, as `GET /commands/{name}` describes them',
    type: 'object',
    propertyNames: { type: 'string' },
    additionalProperties: {},
    examples: [{ count: 5 }],
  });

function isObject(value: unknown): boolean {
  return value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value));
}

const named = z
  .strictObject({
    command: z
      .string()
      .min(1)
      .max(64)
      .meta({ description: 'Name of a command', examples: ['git.log'] }),
    args: args.optional(),
  })
  .meta({ title: 'By name' });

/** Body of what takes a command by its name alone. */
export const commandRequestSchema = named;

const phrased = z
  .strictObject({
    text: z
      .string()
      .min(1)
      .max(1000)
      .meta({ description: 'A phrase of a command', examples: ['git log'] }),
  })
  .meta({ title: 'By phrase' });

const planned = z
  .strictObject({
    planId: z
      .string()
      .min(1)
      .max(64)
      .meta({ description: 'A plan of `POST /plan`: exactly that is run, once', examples: ['plan_0199a1b2c3d47e5f8a9b0c1d2e3f4a5b'] }),
  })
  .meta({ title: 'By plan' });

/** Body of `/run` and `/stream`, and an item of `/batch`. */
export const runRequestSchema = z
  .union([named, phrased, planned], { error: 'expected {command, args}, {text} or {planId}' })
  .meta({ id: 'RunRequest' });

/** Body of `/plan`. */
export const planRequestSchema = z.union([named, phrased], { error: 'expected {command, args} or {text}' }).meta({ id: 'PlanRequest' });

const MAX_BATCH_ITEMS = 100;

export const batchRequestSchema = z
  .strictObject({
    items: z
      .array(z.unknown())
      .min(1)
      .max(MAX_BATCH_ITEMS)
      .meta({ description: 'Run requests; each is checked by itself', items: { $ref: '#/components/schemas/RunRequest' } }),
    mode: z.enum(['parallel', 'sequential']).default('parallel'),
    stopOnError: z.boolean().default(false).meta({ description: 'Sequential only: the first item that does not succeed ends the batch' }),
  })
  .refine(({ mode, stopOnError }) => mode === 'sequential' || !stopOnError, {
    path: ['stopOnError'],
    error: 'only a sequential batch can stop on an error',
  })
  .meta({ id: 'BatchRequest' });

export type BatchRequest = z.output<typeof batchRequestSchema>;

const replayed = z.literal(true).optional().meta({ description: 'Nothing was run: an earlier request had the same Idempotency-Key' });

export const batchResponseSchema = z
  .object({
    items: z.array(
      z.union([
        z.object({ run: runEnvelopeSchema, replayed }),
        z.object({ problem: z.record(z.string(), z.unknown()).meta({ $ref: '#/components/schemas/Problem' }), replayed }),
        z.object({ skipped: z.string() }),
      ]),
    ),
  })
  .meta({ id: 'BatchResponse' });
