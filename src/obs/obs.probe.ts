import { ProviderProbe } from '../domain/provider-probe.js';

export class ObsProbe extends ProviderProbe {
  override readonly name = 'obs';
}
