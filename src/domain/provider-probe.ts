import { type Measurement, Probe, type ProbeKind } from './ports.js';

/** An outside service that can be asked for a sign of life. */
export interface Provider {
  readonly isConfigured: boolean;
  /** Takes a second at most. Resolves to what is wrong; undefined when it is well. */
  look(): Promise<string | undefined>;
}

/** Such a service: whether it is configured, and whether it answers. Asked by `GET /health/details` only. */
export abstract class ProviderProbe extends Probe {
  override readonly kind: ProbeKind = 'provider';
  override readonly critical = false;

  constructor(private readonly provider: Provider) {
    super();
  }

  override async check(): Promise<readonly Measurement[]> {
    const { isConfigured } = this.provider;
    const configured: Measurement = { name: 'configured', value: isConfigured };
    if (!isConfigured) return [configured];
    const warning = await this.provider.look();
    if (warning === undefined) return [configured, { name: 'state', value: 'reachable' }];
    return [configured, { name: 'state', value: 'unreachable', warning }];
  }
}
