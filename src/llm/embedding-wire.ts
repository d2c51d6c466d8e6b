import { z } from 'zod';
import type { WireUsage } from './chat-wire.js';

/** More than any model has. */
const LONGEST_VECTOR = 65_536;

/** OpenAI: the list of embedding objects, as far as it is used here. The numbers are looked at by {@link vectorOf}: there are many. */
const answerSchema = z.object({
  data: z.array(z.object({ index: z.int().min(0), embedding: z.custom<readonly unknown[]>(Array.isArray) })),
  usage: z
    .object({ prompt_tokens: z.int().min(0) })
    .nullish()
    .catch(null),
});

/** Body of a request to `/embeddings`. */
export function embeddingBody(model: string, texts: readonly string[]): object {
  return { model, input: texts, encoding_format: 'float' };
}

export interface Embedded {
  /** In the order of the texts, all of one length. */
  readonly vectors: readonly Float32Array[];
  readonly usage: WireUsage | null;
}

/** Undefined for what is no answer to so many texts. */
export function readEmbeddings(value: unknown, count: number): Embedded | undefined {
  const read = answerSchema.safeParse(value);
  if (!read.success || read.data.data.length !== count) return undefined;
  const byPlace = new Map(read.data.data.map(({ index, embedding }) => [index, vectorOf(embedding)]));
  const vectors = Array.from({ length: count }, (_, place) => byPlace.get(place)).filter((vector) => vector !== undefined);
  const isWhole = vectors.length === count && vectors.every(({ length }) => length === vectors[0]?.length);
  const tokens = read.data.usage?.prompt_tokens;
  return isWhole ? { vectors, usage: tokens === undefined ? null : { prompt_tokens: tokens, completion_tokens: 0 } } : undefined;
}

/** Undefined unless all of them are numbers that it can hold, and not all zero: that has no direction. */
function vectorOf(numbers: readonly unknown[]): Float32Array | undefined {
  if (numbers.length > LONGEST_VECTOR || !numbers.every((number) => typeof number === 'number')) return undefined;
  const vector = Float32Array.from(numbers);
  return vector.every((number) => Number.isFinite(number)) && vector.some((number) => number !== 0) ? vector : undefined;
}
