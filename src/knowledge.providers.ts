import { resolve } from 'node:path';
import type { Provider } from '@nestjs/common';
import { ChromaProbe } from './chroma/chroma.probe.js';
import { ChromaServer } from './chroma/chroma-server.js';
import { chromaPlaceOf } from './config/chroma-place.js';
import type { Settings } from './config/settings.schema.js';
import { SecretKey } from './domain/ports.js';
import { KnowledgeBases } from './knowledge/knowledge-bases.js';
import { KnowledgeProbe } from './knowledge/knowledge.probe.js';
import { EmbeddingClient } from './llm/embedding-client.js';
import { Resilience } from './resilience/resilience.js';

/** Answers from documents: by words, and with a model for embeddings by meaning too, whose vectors are kept by us or by Chroma. */
export function knowledgeProviders(settings: Settings): Provider[] {
  const place = chromaPlaceOf(settings);
  return [
    {
      provide: ChromaServer,
      inject: [Resilience, SecretKey],
      useFactory: (resilience: Resilience, secretKey: SecretKey) =>
        new ChromaServer(place, { privateRanges: settings.OUTGOING_PRIVATE_RANGES ?? [], resilience, owner: () => secretKey.bytes }),
    },
    {
      provide: KnowledgeBases,
      inject: [EmbeddingClient, ChromaServer],
      useFactory: (embedder: EmbeddingClient | null, chroma: ChromaServer) => {
        const storeOf = place ? (base: string) => chroma.collectionOf(base) : undefined;
        return new KnowledgeBases(resolve(settings.DATA_DIR, 'knowledge'), embedder && { embedder, storeOf });
      },
    },
    { provide: ChromaProbe, inject: [ChromaServer], useFactory: (server: ChromaServer) => new ChromaProbe(server) },
    { provide: KnowledgeProbe, inject: [KnowledgeBases], useFactory: (bases: KnowledgeBases) => new KnowledgeProbe(bases) },
  ];
}
