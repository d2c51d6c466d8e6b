import { z } from 'zod';
import { maxTokens, modelName, providerName } from './llm-schema.js';

/** Passages of one answer at most. */
export const MOST_PASSAGES = 50;

/** The section `knowledge` of a declaration. */
export const knowledgeSchema = z
  .strictObject({
    folders: z
      .array(z.string().min(1).max(4_096))
      .min(1)
      .max(16)
      .meta({ description: 'Folders of documents (.md, .txt, .pdf), as the roots of path params; cited by the last part of its name' }),
    search: z.string().optional().meta({ description: 'The param that holds the question, as "{question}"' }),
    answer: z.string().optional().meta({ description: 'The same, and a language model answers from the passages, naming those it used' }),
    limit: z
      .union([z.int().min(1).max(MOST_PASSAGES), z.string()], { error: `expected a number up to ${MOST_PASSAGES}, or one param as "{x}"` })
      .default(5)
      .meta({ description: 'Most passages: a number, or an integer param as "{limit}"' }),
    refresh: z.literal(true).optional().meta({ description: 'Instead of a search: reads what is new or changed' }),
    provider: providerName,
    model: modelName,
    maxTokens: maxTokens.unwrap().optional(),
  })
  .meta({ description: 'Answers from folders of documents' });

export type KnowledgeSection = z.output<typeof knowledgeSchema>;
