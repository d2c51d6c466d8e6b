import type { HostReport } from './host-protocol.js';

/** Output that may wait for a slow gateway, all runs together, before the host stops reading. */
const FULL_BYTES = 4 * 1024 * 1024;

/** Hands over one batch; calls `sent` when the channel has taken it (or will never take anything again). */
export type SendBatch = (batch: readonly HostReport[], sent: () => void) => void;

/** Collects the reports of one turn of the event loop into one message, and knows how much the channel still holds. */
export class Outbox {
  private batch: HostReport[] = [];
  private batchBytes = 0;
  private unsentBytes = 0;
  private flushing: NodeJS.Immediate | null = null;

  /** `onDrain` is called each time the outbox stops being full. */
  constructor(
    private readonly send: SendBatch,
    private readonly onDrain: () => void,
  ) {}

  get full(): boolean {
    return this.unsentBytes >= FULL_BYTES;
  }

  push(report: HostReport): void {
    this.batch.push(report);
    if (report.kind === 'output') {
      this.batchBytes += report.data.length;
      this.unsentBytes += report.data.length;
    }
    this.flushing ??= setImmediate(() => this.flush());
  }

  /** Sends what has been collected without waiting for the end of the turn. */
  flush(): void {
    if (this.flushing) clearImmediate(this.flushing);
    this.flushing = null;
    const { batch, batchBytes } = this;
    if (batch.length === 0) return;
    this.batch = [];
    this.batchBytes = 0;
    this.send(batch, () => {
      const wasFull = this.full;
      this.unsentBytes -= batchBytes;
      if (wasFull && !this.full) this.onDrain();
    });
  }
}
