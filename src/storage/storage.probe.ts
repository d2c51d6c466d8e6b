import type { WriteHealth } from '../domain/db.js';
import { Probe, type ProbeKind } from '../domain/ports.js';
import type { KeyStore } from '../domain/stores.js';

/** Whether the store can be read and written. */
export class StorageProbe extends Probe {
  readonly name = 'storage';
  override readonly kind: ProbeKind = 'datastore';

  constructor(
    private readonly writes: WriteHealth,
    private readonly keys: KeyStore,
  ) {
    super();
  }

  async check(): Promise<void> {
    await this.keys.find('');
    await this.writes.checkWritable();
  }
}
