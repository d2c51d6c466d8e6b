import { statfs } from 'node:fs/promises';
import { GatewayError } from '../domain/errors.js';
import { Probe } from '../domain/ports.js';

const MIN_FREE_BYTES = 16 * 1024 ** 2;

/** Of the disk where the data lives. */
export interface DiskSpace {
  /** What is left for us: less than what is left for root. */
  readonly freeBytes: number;
  readonly sizeBytes: number;
}

/** Whether there is room left where the data lives, so that traffic goes elsewhere before writes fail. */
export class DiskProbe extends Probe {
  readonly name = 'disk';
  private asking: Promise<DiskSpace> | undefined;

  constructor(private readonly dataDir: string) {
    super();
  }

  /** Asks once at a time: each question to a disk that does not answer holds a thread, and there are four of them. */
  space(): Promise<DiskSpace> {
    return (this.asking ??= this.ask().finally(() => (this.asking = undefined)));
  }

  async check(): Promise<void> {
    const { freeBytes } = await this.space();
    if (freeBytes < MIN_FREE_BYTES) throw new GatewayError('storage_unavailable', 'Less than 16 MiB are free under DATA_DIR.');
  }

  private async ask(): Promise<DiskSpace> {
    const { bavail, blocks, bsize } = await statfs(this.dataDir);
    return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
  }
}
