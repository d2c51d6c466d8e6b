import { Span, type SpanAttributes, type SpanKind } from '../domain/tracing.js';
import { randomHex } from '../http/random-pool.js';

/** What the spans of one request or one program have in common. */
export interface Trace {
  /** 32 hex digits. */
  readonly id: string;
  readonly state: string | undefined;
  /** From the monotonic clock to the time of day, milliseconds: read once, so that its spans agree however the clock is set meanwhile. */
  readonly offsetMs: number;
  /** Takes spans that have ended. */
  readonly sink: (span: RecordedSpan) => void;
}

/** Another span of ours, or that of a caller. */
export interface SpanParent {
  readonly id: string;
  readonly isRemote: boolean;
}

const NONE: SpanAttributes = Object.freeze({});

/** A span of a sampled trace. Turned into what goes over the wire only when that is due. */
export class RecordedSpan extends Span implements SpanParent {
  readonly isRemote = false;
  override isRecording = true;
  attributes: SpanAttributes = NONE;
  endedAt: number | undefined;
  failure: string | undefined;
  private ownId: string | undefined;
  private hasParts = false;

  constructor(
    readonly trace: Trace,
    readonly parent: SpanParent | undefined,
    readonly kind: SpanKind,
    public name: string,
    /** Monotonic milliseconds. */
    readonly startedAt = performance.now(),
  ) {
    super();
  }

  /** 16 hex digits; made when it is first needed. */
  get id(): string {
    return (this.ownId ??= randomHex(8));
  }

  override get traceparent(): string {
    return `00-${this.trace.id}-${this.id}-01`;
  }

  override get tracestate(): string | undefined {
    return this.trace.state;
  }

  override child(name: string, kind: SpanKind = 'internal', startedAt?: number): RecordedSpan {
    this.hasParts = true;
    return new RecordedSpan(this.trace, this, kind, name, startedAt);
  }

  override rename(name: string): void {
    if (this.isRecording) this.name = name;
  }

  override set(attributes: SpanAttributes): void {
    if (this.isRecording) this.attributes = this.attributes === NONE ? attributes : { ...this.attributes, ...attributes };
  }

  override fail(type: string): void {
    if (this.isRecording) this.failure = type;
  }

  override end(leastMs = 0): void {
    if (!this.isRecording) return;
    this.isRecording = false;
    this.endedAt = performance.now();
    // Whoever else names it as a parent has asked for its id.
    const isParent = this.hasParts || this.ownId !== undefined;
    if (isParent || this.failure !== undefined || this.endedAt - this.startedAt >= leastMs) this.trace.sink(this);
  }
}

/** Stands for all spans of a trace that is not sampled, so that those whom we call do not begin one of their own. */
export class UnrecordedSpan extends Span {
  override readonly isRecording = false;

  constructor(
    override readonly traceparent: string,
    override readonly tracestate: string | undefined,
  ) {
    super();
  }

  override child(): Span {
    return this;
  }

  override rename(): void {}
  override set(): void {}
  override fail(): void {}
  override end(): void {}
}
