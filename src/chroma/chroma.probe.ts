import { ProviderProbe } from '../domain/provider-probe.js';

export class ChromaProbe extends ProviderProbe {
  override readonly name = 'chroma';
}
