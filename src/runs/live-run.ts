import type { GatewayError } from '../domain/errors.js';
import type { PrincipalId } from '../domain/principal.js';
import type { AbortCause, OutputChunk, OutputStream, Run, RunEvent } from '../domain/run.js';

/**
 * A run under way: its state so far, its output so far, and the one AbortController that ends it.
 * Readers pull from the kept output, so a slow one costs no memory and never holds up the command.
 */
export class LiveRun {
  private readonly abortController = new AbortController();
  private readonly outputSoFar: OutputChunk[] = [];
  private readonly end = Promise.withResolvers<Run>();
  private waiters: (() => void)[] = [];
  private state: 'queued' | 'running' | 'ended' | 'failed' = 'queued';

  constructor(
    public run: Run,
    /** It ended before this request came: an earlier one with the same idempotency key had asked for it. */
    readonly isReplay = false,
    /** The keys that it was asked for with, as `lineOf` gives them. */
    readonly line: readonly PrincipalId[] = [run.principalId],
  ) {
    // A failure to record the outcome is told to whoever waits; when nobody does, the service has logged it.
    this.end.promise.catch(() => undefined);
  }

  /** An ended run as its first caller saw it; `refusal` as in {@link finish}. */
  static replay(run: Run, output: readonly OutputChunk[], refusal?: GatewayError): LiveRun {
    const live = new LiveRun(run, true);
    live.adopt(output);
    live.finish(run, refusal);
    return live;
  }

  get signal(): AbortSignal {
    return this.abortController.signal;
  }

  /** What ended the run from outside, if anything did. */
  get cause(): AbortCause | undefined {
    return this.signal.aborted ? (this.signal.reason as AbortCause) : undefined;
  }

  get output(): readonly OutputChunk[] {
    return this.outputSoFar;
  }

  /**
   * The ended run, once its outcome is durable. Rejects with the refusal of a run that was rejected before its start, and when
   * the outcome could not be recorded.
   */
  get finished(): Promise<Run> {
    return this.end.promise;
  }

  /** It waits for somebody else's approval. */
  get isParked(): boolean {
    return this.run.status === 'awaiting_approval' && !this.isEnded;
  }

  get isEnded(): boolean {
    return this.state === 'ended' || this.state === 'failed';
  }

  /** Ends the run from outside. The first cause counts; later ones are ignored. */
  abort(cause: AbortCause): void {
    if (!this.signal.aborted && !this.isEnded) this.abortController.abort(cause);
  }

  /** It was approved: from here on it is like any other. */
  unpark(): void {
    this.run = { ...this.run, status: 'queued' };
  }

  begin(startedAt: string): void {
    this.run = { ...this.run, status: 'running', startedAt };
    this.state = 'running';
    this.wake();
  }

  append(stream: OutputStream, data: string): void {
    this.outputSoFar.push({ stream, seq: this.outputSoFar.length + 1, data });
    this.wake();
  }

  /** Takes over output that another run of the same call produced. */
  adopt(chunks: readonly OutputChunk[]): void {
    for (const chunk of chunks) this.outputSoFar.push(chunk);
  }

  /** The outcome is durable. */
  finish(run: Run, refusal?: GatewayError): void {
    this.run = run;
    this.state = 'ended';
    if (refusal) this.end.reject(refusal);
    else this.end.resolve(run);
    this.wake();
  }

  /** The outcome cannot be recorded: listeners end, and whoever waits is told. */
  fail(error: unknown): void {
    this.state = 'failed';
    this.end.reject(error);
    this.wake();
  }

  /** All events from the start, or the output after `afterSeq`; ends with `finished`. Leaving the loop leaves the run alone. */
  async *events(afterSeq = 0): AsyncGenerator<RunEvent, void, undefined> {
    let next = afterSeq;
    if (this.isParked) yield { kind: 'parked', run: this.run };
    while (this.state === 'queued') await this.change();
    if (this.run.startedAt !== null) yield { kind: 'started', run: this.run };
    for (;;) {
      while (next < this.outputSoFar.length) {
        const chunk = this.outputSoFar[next++];
        if (chunk) yield { kind: 'output', chunk };
      }
      if (this.isEnded) break;
      await this.change();
    }
    if (this.state === 'failed') await this.finished;
    yield { kind: 'finished', run: this.run };
  }

  private change(): Promise<void> {
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  private wake(): void {
    if (this.waiters.length === 0) return;
    const { waiters } = this;
    this.waiters = [];
    for (const resolve of waiters) resolve();
  }
}
