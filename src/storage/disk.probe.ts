import { statfs } from 'node:fs/promises';
import { GatewayError } from '../domain/errors.js';
import { Probe } from '../domain/ports.js';

const MIN_FREE_BYTES = 16 * 1024 ** 2;

/** Whether there is room left where the data lives, so that traffic goes elsewhere before writes fail. */
export class DiskProbe extends Probe {
  readonly name = 'disk';

  constructor(private readonly dataDir: string) {
    super();
  }

  async check(): Promise<void> {
    const { bavail, bsize } = await statfs(this.dataDir);
    if (bavail * bsize < MIN_FREE_BYTES) throw new GatewayError('storage_unavailable', 'Less than 16 MiB are free under DATA_DIR.');
  }
}
