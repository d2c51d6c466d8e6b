import { createHash } from 'node:crypto';
import { json } from './llm-peer.js';
import type { Behaviour, Received } from './peer.js';

/** What a client asked for, as OpenAI's embeddings have it. */
export interface EmbeddingAsked {
  readonly model: string;
  readonly input: readonly string[];
  readonly encoding_format: string;
}

export function embeddingAsked({ body }: Received): EmbeddingAsked {
  return JSON.parse(body) as EmbeddingAsked;
}

/** Words that mean the same. */
const SYNONYMS = [
  ['laptop', 'notebook', 'computer'],
  ['holiday', 'vacation', 'leave'],
  ['salary', 'wage', 'pay'],
];
const STOP_WORDS = new Set('a an and are at by each every for from gets how i in is it of on or the to what where with'.split(' '));
const DIMENSIONS = 256;

/** The same text has the same vector; texts are near each other as far as they have words, or synonyms, in common. */
function vectorOf(text: string, dimensions: number): readonly number[] {
  const vector: number[] = Array.from({ length: dimensions }, () => 0);
  for (const word of text.toLowerCase().match(/[a-z0-9]+/g) ?? []) {
    const stem = word.replace(/s$/, '');
    if (STOP_WORDS.has(word)) continue;
    const meaning = SYNONYMS.find((words) => words.includes(stem))?.[0] ?? stem;
    const place = createHash('sha256').update(meaning).digest().readUInt32BE() % dimensions;
    vector[place] = (vector[place] ?? 0) + 1;
  }
  // A model says something of every text.
  if (!vector.some((number) => number > 0)) vector[0] = 1;
  const length = Math.hypot(...vector);
  return vector.map((number) => number / length);
}

/** Answers as an embedding model does, in no particular order. */
export function embeds(dimensions = DIMENSIONS): Behaviour {
  return (response, received) => {
    const { model, input } = embeddingAsked(received);
    const data = input.map((text, index) => ({ object: 'embedding', index, embedding: vectorOf(text, dimensions) }));
    const tokens = input.join(' ').split(/\s+/).length;
    json(response, 200, { object: 'list', data: data.toReversed(), model, usage: { prompt_tokens: tokens, total_tokens: tokens } });
  };
}

/** A service with both: `chat` at `/chat/completions`, `embed` at `/embeddings`. */
export function speaks({ chat, embed }: { readonly chat: Behaviour; readonly embed: Behaviour }): Behaviour {
  return (response, received) => (received.url.endsWith('/embeddings') ? embed : chat)(response, received);
}
