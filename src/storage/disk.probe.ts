import { statfs } from 'node:fs/promises';
import { GatewayError } from '../domain/errors.js';
import { type Measurement, Probe, type ProbeKind } from '../domain/ports.js';

const MIN_FREE_BYTES = 16 * 1024 ** 2;
/** Less is worth a warning. */
const AMPLE_FREE_BYTES = 256 * 1024 ** 2;

/** Of the disk where the data lives. */
export interface DiskSpace {
  /** What is left for us: less than what is left for root. */
  readonly freeBytes: number;
  readonly sizeBytes: number;
}

/** Whether there is room left where the data lives, so that traffic goes elsewhere before writes fail. */
export class DiskProbe extends Probe {
  readonly name = 'disk';
  override readonly kind: ProbeKind = 'system';
  private asking: Promise<DiskSpace> | undefined;

  constructor(private readonly dataDir: string) {
    super();
  }

  /** Asks once at a time: each question to a disk that does not answer holds a thread, and there are four of them. */
  space(): Promise<DiskSpace> {
    return (this.asking ??= this.ask().finally(() => (this.asking = undefined)));
  }

  async check(): Promise<readonly Measurement[]> {
    const { freeBytes, sizeBytes } = await this.space();
    if (freeBytes < MIN_FREE_BYTES) throw new GatewayError('storage_unavailable', 'Less than 16 MiB are free under DATA_DIR.');
    const warning = freeBytes < AMPLE_FREE_BYTES ? { warning: 'Less than 256 MiB are free under DATA_DIR.' } : {};
    return [
      { name: 'free', value: freeBytes, unit: 'bytes', ...warning },
      { name: 'utilization', value: Math.round((1 - freeBytes / sizeBytes) * 1_000) / 10, unit: 'percent' },
    ];
  }

  private async ask(): Promise<DiskSpace> {
    const { bavail, blocks, bsize } = await statfs(this.dataDir);
    return { freeBytes: bavail * bsize, sizeBytes: blocks * bsize };
  }
}
