import type { ModelUsage } from '../domain/llm.js';
import type { Span } from '../domain/tracing.js';

/** OpenTelemetry's conventions for questions to models; no text of any. The name of the provider is the operator's. */
export function describeChat(span: Span, { provider, model, inputTokens, outputTokens }: ModelUsage): void {
  span.rename(`chat ${model}`);
  span.set({
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': provider,
    'gen_ai.request.model': model,
    'gen_ai.usage.input_tokens': inputTokens ?? undefined,
    'gen_ai.usage.output_tokens': outputTokens ?? undefined,
  });
}
