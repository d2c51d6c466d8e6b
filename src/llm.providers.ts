import type { Provider } from '@nestjs/common';
import { embeddingPlaceOf, llmProvidersOf } from './config/llm-providers.js';
import type { Settings } from './config/settings.schema.js';
import { CHAT_OUTCOMES, type ChatOutcome, type ModelUsage } from './domain/llm.js';
import { EmbeddingClient } from './llm/embedding-client.js';
import { LLM_NOT_CONFIGURED, LlmClient } from './llm/llm-client.js';
import { LlmProbe } from './llm/llm.probe.js';
import { Metrics } from './metrics/metrics.js';
import { Resilience } from './resilience/resilience.js';

/** Language models as the settings name them. */
export function llmProviders(settings: Settings): Provider[] {
  return [
    {
      provide: LlmClient,
      inject: [Metrics],
      useFactory: (metrics: Metrics) => {
        const providers = llmProvidersOf(settings);
        for (const [provider, { model }] of providers) begin(metrics, provider, model);
        return new LlmClient(providers, settings.OUTGOING_PRIVATE_RANGES ?? [], (outcome, usage) => count(metrics, outcome, usage));
      },
    },
    {
      provide: EmbeddingClient,
      inject: [Metrics, Resilience],
      useFactory: (metrics: Metrics, resilience: Resilience) => {
        const place = embeddingPlaceOf(settings);
        if (!place) return null;
        begin(metrics, place.name, place.model);
        const privateRanges = settings.OUTGOING_PRIVATE_RANGES ?? [];
        return new EmbeddingClient(place, { privateRanges, resilience, onCall: (outcome, usage) => count(metrics, outcome, usage) });
      },
    },
    {
      provide: LlmProbe,
      inject: [LlmClient, EmbeddingClient],
      useFactory: (client: LlmClient, embeddings: EmbeddingClient | null) => new LlmProbe(client, embeddings),
    },
  ];
}

/** What the catalogue has to know of them; `off` says what to set where there is none. */
export function llmForCatalogue(settings: Settings) {
  const providers = llmProvidersOf(settings);
  return {
    off: providers.size === 0 ? LLM_NOT_CONFIGURED : undefined,
    models: { names: [...providers.keys()], keys: [...providers.values()].flatMap(({ key }) => key ?? []) },
  };
}

function begin(metrics: Metrics, provider: string, model: string): void {
  for (const outcome of CHAT_OUTCOMES) metrics.llmRequests.inc({ provider, model, outcome }, 0);
}

function count(
  metrics: Metrics,
  outcome: ChatOutcome,
  { provider, model, inputTokens, outputTokens, cost }: Omit<ModelUsage, 'counted'>,
): void {
  metrics.llmRequests.inc({ provider, model, outcome });
  if (inputTokens !== null) metrics.llmTokens.inc({ provider, model, kind: 'input' }, inputTokens);
  if (outputTokens !== null) metrics.llmTokens.inc({ provider, model, kind: 'output' }, outputTokens);
  if (cost !== null) metrics.llmCost.inc({ provider, model }, cost);
}
