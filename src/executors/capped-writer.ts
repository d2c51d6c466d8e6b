import type { ExecutionContext } from '../domain/executor.js';
import type { OutputStream } from '../domain/run.js';

/** Writes text as a run's output, until its allowance is used up; then drops the rest and says so once. */
export class CappedWriter {
  private allowance: number;
  private truncated = false;

  constructor(private readonly context: ExecutionContext) {
    this.allowance = context.outputBytes;
  }

  write(stream: OutputStream, text: string | Buffer): void {
    const data = typeof text === 'string' ? Buffer.from(text) : text;
    const taken = Math.min(data.length, this.allowance);
    this.allowance -= taken;
    if (taken > 0) this.context.onOutput(stream, data.subarray(0, taken));
    if (taken === data.length || this.truncated) return;
    this.truncated = true;
    this.context.onTruncated();
  }
}
