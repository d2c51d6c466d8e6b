import { embeddingPlaceOf } from './llm-providers.js';

/** A Chroma server, and where on it the gateway keeps what it knows. */
export interface ChromaPlace {
  readonly url: string;
  readonly token: string | undefined;
  readonly tenant: string;
  readonly database: string;
  /** How the names of the collections begin. */
  readonly collection: string;
}

type ChromaSettings = Parameters<typeof embeddingPlaceOf>[0] & {
  readonly CHROMA_URL?: string | undefined;
  readonly CHROMA_TOKEN?: string | undefined;
  readonly CHROMA_TENANT?: string | undefined;
  readonly CHROMA_DATABASE?: string | undefined;
  readonly CHROMA_COLLECTION?: string | undefined;
};

export function chromaPlaceOf(settings: ChromaSettings): ChromaPlace | undefined {
  const { CHROMA_URL: url, CHROMA_TOKEN: token } = settings;
  const { CHROMA_TENANT: tenant = 'default_tenant', CHROMA_DATABASE: database = 'default_database' } = settings;
  return url === undefined ? undefined : { url, token, tenant, database, collection: settings.CHROMA_COLLECTION ?? 'sallyport' };
}

/** Mistakes that one setting by itself does not show. */
export function chromaMistakes(settings: ChromaSettings): readonly string[] {
  const beside = ['CHROMA_TOKEN', 'CHROMA_TENANT', 'CHROMA_DATABASE', 'CHROMA_COLLECTION'] as const;
  if (settings.CHROMA_URL === undefined)
    return beside.filter((name) => settings[name] !== undefined).map((name) => `${name}: expected CHROMA_URL beside it`);
  return embeddingPlaceOf(settings) ? [] : ['CHROMA_URL: expected a model for embeddings, by LLM_EMBEDDING_MODEL or in LLM_PROVIDERS'];
}
