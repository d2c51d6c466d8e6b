import { type Measurement, Probe, type ProbeKind } from '../domain/ports.js';
import type { EmbeddingClient } from './embedding-client.js';
import type { LlmClient } from './llm-client.js';

/** Language models: whether any is configured, and whether each was reached by its last call, for answers and for vectors. Asks none of them. */
export class LlmProbe extends Probe {
  override readonly name = 'llm';
  override readonly kind: ProbeKind = 'provider';
  override readonly critical = false;

  constructor(
    private readonly client: LlmClient,
    private readonly embeddings: EmbeddingClient | null,
  ) {
    super();
  }

  async check(): Promise<readonly Measurement[]> {
    const { isConfigured, reached } = this.client;
    const vectors = this.embeddings ? [stateOf(`${this.embeddings.place.name} (embeddings)`, this.embeddings.reached)] : [];
    return [{ name: 'configured', value: isConfigured }, ...reached.map(([of, known]) => stateOf(of, known)), ...vectors];
  }
}

function stateOf(of: string, reached: boolean | null): Measurement {
  if (reached === null) return { name: 'state', of, value: 'not called yet' };
  if (reached) return { name: 'state', of, value: 'reachable' };
  return { name: 'state', of, value: 'unreachable', warning: `The language model ${of} could not be reached by its last call.` };
}
