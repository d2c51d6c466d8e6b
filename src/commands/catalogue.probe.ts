import { GatewayError } from '../domain/errors.js';
import { Probe } from '../domain/ports.js';
import type { Catalogue } from './catalogue.js';

/** Whether a valid catalogue has been loaded. */
export class CatalogueProbe extends Probe {
  readonly name = 'catalogue';

  constructor(private readonly catalogue: Catalogue) {
    super();
  }

  async check(): Promise<void> {
    if (this.catalogue.loadedAt === null) throw new GatewayError('internal', 'No catalogue has been loaded.');
  }
}
