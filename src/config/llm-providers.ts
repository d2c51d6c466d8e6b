import { parseDocument } from 'yaml';
import { z } from 'zod';

/** A text that can be sent as a header and does not show where a line ends. */
const token = z
  .string()
  .max(4_096)
  .regex(/^[\x21-\x7e]+$/);
const model = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[\x21-\x7e]+$/);
const price = z.number().min(0).max(1_000_000);

const providerSchema = z.strictObject({
  url: z.string().refine(isServiceAddress),
  key: token.optional(),
  model,
  embeddings: model.optional(),
  prices: z.record(model, z.strictObject({ input: price, output: price })).default({}),
  limit: z.enum(['max_tokens', 'max_completion_tokens']).default('max_tokens'),
});

const providersSchema = z.record(z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/), providerSchema).refine((all) => Object.keys(all).length > 0);

/**
 * A service that speaks OpenAI's chat completions. `url`: the address under which `/chat/completions` lies; `model`: the one that is asked
 * unless a command names another; `embeddings`: the one that makes vectors, at `/embeddings`; `prices`: for a million tokens, by model; `limit`:
 * the field that bounds the answer.
 */
export type LlmProvider = z.output<typeof providerSchema>;

/** An address with a host and perhaps a path. What is not written out would be lost on the way, or shown. */
export function isServiceAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' && !/[?#@\s]/.test(text);
}

/** Providers by name, as YAML or JSON; undefined for any other text. */
export function parseLlmProviders(text: string): Readonly<Record<string, LlmProvider>> | undefined {
  const document = parseDocument(text, { uniqueKeys: true, logLevel: 'silent' });
  if (document.errors.length > 0) return undefined;
  try {
    return providersSchema.safeParse(document.toJS({ maxAliasCount: 0 })).data;
  } catch {
    return undefined;
  }
}

interface LlmSettings {
  readonly LLM_URL?: string | undefined;
  readonly LLM_KEY?: string | undefined;
  readonly LLM_MODEL?: string | undefined;
  readonly LLM_EMBEDDING_MODEL?: string | undefined;
  readonly LLM_PROVIDERS?: Readonly<Record<string, LlmProvider>> | undefined;
}

/** The name of what `LLM_URL`, `LLM_KEY` and `LLM_MODEL` describe. */
const DEFAULT_PROVIDER = 'default';

/** All that the settings name; the first one is asked unless a command names another. */
export function llmProvidersOf(settings: LlmSettings): ReadonlyMap<string, LlmProvider> {
  const { LLM_URL: url, LLM_KEY: key, LLM_MODEL: model, LLM_EMBEDDING_MODEL: embeddings, LLM_PROVIDERS } = settings;
  const own =
    url === undefined || model === undefined ? undefined : { url, key, model, embeddings, prices: {}, limit: 'max_tokens' as const };
  return new Map([...(own ? [[DEFAULT_PROVIDER, own] as const] : []), ...Object.entries(LLM_PROVIDERS ?? {})]);
}

/** A model that makes vectors. */
export interface EmbeddingPlace {
  readonly name: string;
  readonly provider: LlmProvider;
  readonly model: string;
}

/** The first provider that has one; undefined: documents are found by their words alone. */
export function embeddingPlaceOf(settings: LlmSettings): EmbeddingPlace | undefined {
  for (const [name, provider] of llmProvidersOf(settings))
    if (provider.embeddings !== undefined) return { name, provider, model: provider.embeddings };
  return undefined;
}

/** Mistakes that one setting by itself does not show. */
export function llmMistakes({ LLM_URL, LLM_KEY, LLM_MODEL, LLM_EMBEDDING_MODEL, LLM_PROVIDERS }: LlmSettings): readonly string[] {
  const out: string[] = [];
  if ((LLM_URL === undefined) !== (LLM_MODEL === undefined)) out.push('LLM_URL and LLM_MODEL: expected both or none');
  if (LLM_KEY !== undefined && LLM_URL === undefined) out.push('LLM_KEY: expected LLM_URL beside it');
  if (LLM_EMBEDDING_MODEL !== undefined && LLM_URL === undefined) out.push('LLM_EMBEDDING_MODEL: expected LLM_URL beside it');
  if (LLM_URL !== undefined && LLM_PROVIDERS && Object.hasOwn(LLM_PROVIDERS, DEFAULT_PROVIDER))
    out.push(`LLM_PROVIDERS: "${DEFAULT_PROVIDER}" is the name of what LLM_URL names`);
  return out;
}
