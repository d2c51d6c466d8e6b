/** Who stands where in a call: `server` was asked, `client` asks somebody else, `internal` does neither. */
export type SpanKind = 'internal' | 'server' | 'client';

/** By their names in OpenTelemetry's semantic conventions, else under `sallyport.`. Undefined ones are left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where a trace that goes through us comes from (W3C Trace Context). */
export interface TraceOrigin {
  /** 32 hex digits. */
  readonly traceId: string;
  /** Undefined where the trace begins with us. */
  readonly caller: { readonly spanId: string; readonly sampled: boolean; readonly state: string | undefined } | undefined;
}

/** Something that took time, in a trace. Shown to nobody before it has ended; what fails in between never ends. */
export abstract class Span {
  /** Whether anybody will see it: what is said to it alone need not be made otherwise. */
  abstract readonly isRecording: boolean;
  /** W3C `traceparent` that names it as the parent; undefined where nothing is traced. */
  abstract get traceparent(): string | undefined;
  /** W3C `tracestate` that goes with it. */
  abstract get tracestate(): string | undefined;

  /** @param startedAt monotonic milliseconds; now when absent */
  abstract child(name: string, kind?: SpanKind, startedAt?: number): Span;
  /** @param name from a closed set: a route, a command, a program */
  abstract rename(name: string): void;
  abstract set(attributes: SpanAttributes): void;
  /** @param type of the error, from a closed set: a code, a status */
  abstract fail(type: string): void;
  /**
   * The first end counts.
   * @param leastMs of one that was no parent, did not fail and was shorter than this nothing is shown
   */
  abstract end(leastMs?: number): void;
}

/** Follows what happens across rooms and processes. Never fails and never holds up whoever is followed. */
export abstract class Tracer {
  /** Whether anything is followed at all; the same for its whole life. */
  abstract readonly isOn: boolean;
  /** Begins our part of a trace. */
  abstract begin(origin: TraceOrigin, kind: SpanKind): Span;
  /** The span that this is done within; {@link NO_SPAN} outside of all. */
  abstract get current(): Span;
  /** Does the work, and whatever asynchronous comes of it, within the span. */
  abstract within<T>(span: Span, work: () => T): T;
  /**
   * What comes next of the innermost work of {@link within} is a part of this span, made when it is asked for as the {@link current} one:
   * for steps of which one follows the other.
   */
  abstract proceed(parent: Span, name: string): void;
  /** That part is over. Nothing is shown of it where nobody asked for it and it was shorter than this. */
  abstract pass(leastMs: number): void;
  /** Hands on what has ended, as far as it can within some seconds. What ends later is lost. */
  abstract stop(): Promise<void>;
}

class NoSpan extends Span {
  override readonly isRecording = false;
  override readonly traceparent = undefined;
  override readonly tracestate = undefined;

  override child(): Span {
    return this;
  }

  override rename(): void {}
  override set(): void {}
  override fail(): void {}
  override end(): void {}
}

/** The one span there is where nothing is followed. */
export const NO_SPAN: Span = Object.freeze(new NoSpan());

class NoTracer extends Tracer {
  override readonly isOn = false;
  override readonly current = NO_SPAN;

  override begin(): Span {
    return NO_SPAN;
  }

  override within<T>(_span: Span, work: () => T): T {
    return work();
  }

  override proceed(): void {}
  override pass(): void {}

  override async stop(): Promise<void> {}
}

export const NO_TRACER: Tracer = Object.freeze(new NoTracer());
