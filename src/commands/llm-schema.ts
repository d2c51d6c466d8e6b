import { z } from 'zod';

const MOST_TOKENS = 1_000_000;
const MOST_TEXT = 65_536;

export const providerName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,63}$/, { error: 'expected the name of a provider' })
  .optional()
  .meta({ description: 'Name of a provider in the settings; the first one unless given' });
export const modelName = z
  .string()
  .regex(/^[\x21-\x7e]{1,200}$/, { error: 'expected the name of a model' })
  .optional()
  .meta({ description: 'Its model; the one that the settings name unless given' });
export const maxTokens = z.int().min(1).max(MOST_TOKENS).default(1_024).meta({ description: 'Tokens of the answer at most' });

/** The section `llm` of a declaration. */
export const llmSchema = z
  .strictObject({
    provider: providerName,
    model: modelName,
    system: z.string().min(1).max(MOST_TEXT).optional().meta({ description: 'Instructions; nothing is replaced in them' }),
    prompt: z
      .string()
      .min(1)
      .max(MOST_TEXT)
      .optional()
      .meta({ description: 'The question; "{x}" anywhere in it is replaced, marked as data. A conversation (agent) has none' }),
    maxTokens,
    temperature: z.number().min(0).max(2).optional(),
    schema: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({ description: 'JSON Schema of the answer; one that does not fit it is a failure' }),
    audit: z
      .literal('prompt')
      .optional()
      .meta({ description: 'Writes what is asked into the audit log, secrets masked; no text unless given' }),
    stream: z.boolean().optional().meta({ description: 'Whether it is output as it comes; true, or false with a schema' }),
  })
  .meta({ description: 'A question to a language model' });

export type LlmSection = z.output<typeof llmSchema>;
