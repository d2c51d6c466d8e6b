import type { OutputStream } from '../domain/run.js';
import type { Redaction } from '../redaction/redaction.js';
import type { Redactor } from '../redaction/redactor.js';
import type { LiveRun } from './live-run.js';

const FLUSH_CHARACTERS = 16 * 1024;
const FLUSH_MS = 20;

export interface CollectorOptions {
  /** Exact secret values of this call. */
  readonly secrets: readonly string[];
  /** Show nothing before {@link OutputCollector.release}: the attempt may yet be repeated. */
  readonly keepBack: boolean;
  /** What is masked. */
  readonly redaction: Redaction;
  onRedaction(kind: string): void;
}

/**
 * The single exit of output: bytes from the executor pass the redactor, then become numbered chunks that people see and
 * that are stored. Small pieces are joined for a moment, so that a slow drip makes few chunks.
 * @throws GatewayError `invalid_arguments` when the secrets are too long to be masked
 */
export class OutputCollector {
  redactions = 0;
  private redactors: Partial<Record<OutputStream, Redactor>> = {};
  private readonly pending: Record<OutputStream, string> = { stdout: '', stderr: '' };
  private readonly kept: { stream: OutputStream; data: string }[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly live: LiveRun,
    private readonly options: CollectorOptions,
  ) {
    // Secrets that cannot be masked must be refused before anything runs.
    if (options.secrets.length > 0) this.redactors = { stdout: this.newRedactor(), stderr: this.newRedactor() };
  }

  take(stream: OutputStream, data: Buffer): void {
    this.pend(stream, (this.redactors[stream] ??= this.newRedactor()).pushBytes(data));
  }

  /** Lets out what was held back. Nothing may be taken afterwards. */
  close(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      this.pend(stream, this.redactors[stream]?.end() ?? '');
      this.flush(stream);
    }
    clearTimeout(this.timer);
  }

  /** Shows what was kept back: this attempt is the last. */
  release(): void {
    for (const { stream, data } of this.kept) this.live.append(stream, data);
    this.kept.length = 0;
  }

  private newRedactor(): Redactor {
    return this.options.redaction.redactor({
      secrets: this.options.secrets,
      onRedaction: (kind) => {
        this.redactions++;
        this.options.onRedaction(kind);
      },
    });
  }

  private pend(stream: OutputStream, text: string): void {
    if (text === '') return;
    this.pending[stream] += text;
    if (this.pending[stream].length >= FLUSH_CHARACTERS) this.flush(stream);
    else this.timer ??= setTimeout(() => this.flushAll(), FLUSH_MS);
  }

  private flushAll(): void {
    this.timer = undefined;
    this.flush('stdout');
    this.flush('stderr');
  }

  private flush(stream: OutputStream): void {
    if (this.pending[stream] === '') return;
    if (this.options.keepBack) this.kept.push({ stream, data: this.pending[stream] });
    else this.live.append(stream, this.pending[stream]);
    this.pending[stream] = '';
  }
}
