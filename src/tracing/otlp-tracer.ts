import { AsyncLocalStorage } from 'node:async_hooks';
import { NO_SPAN, type Span, type SpanKind, type TraceOrigin, Tracer } from '../domain/tracing.js';
import { randomHex } from '../http/random-pool.js';
import type { Redaction } from '../redaction/redaction.js';
import { CONTENT_TYPES, OtlpEncoder, type OtlpProtocol } from './otlp-encoder.js';
import { OtlpSender } from './otlp-sender.js';
import type { Sampler } from './sampler.js';
import { type Deliver, type SpanFate, SpanQueue } from './span-queue.js';
import { RecordedSpan, type Trace, UnrecordedSpan } from './spans.js';
import { parseTraceState } from './trace-state.js';

export interface OtlpTracerOptions {
  /** Where batches are posted to. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly protocol: OtlpProtocol;
  readonly sampler: Sampler;
  /** Who we are: attributes of OpenTelemetry's resource. */
  readonly resource: Readonly<Record<string, string>>;
  readonly redaction: Redaction;
  readonly fate: SpanFate;
}

/** Where work is within a trace. */
interface Frame {
  /** Undefined until somebody asks for it. */
  span: Span | undefined;
  parent: Span;
  name: string;
  /** Monotonic milliseconds. */
  startedAt: number;
  /** When the part before ended, if the next one follows at once. */
  passedAt: number | undefined;
}

/** Answers after which the same batch may be sent again (OTLP/HTTP). */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Sends sampled traces to a collector, as OTLP over HTTP. */
export class OtlpTracer extends Tracer {
  override readonly isOn = true;
  private readonly storage = new AsyncLocalStorage<Frame>();
  private readonly queue: SpanQueue;
  private readonly sender: OtlpSender;
  private readonly sink = (span: RecordedSpan) => this.queue.add(span);

  constructor(private readonly options: OtlpTracerOptions) {
    super();
    const { url, headers, protocol, redaction, resource, fate } = options;
    this.sender = new OtlpSender({ url, headers, contentType: CONTENT_TYPES[protocol] });
    this.queue = new SpanQueue(deliverTo(this.sender, new OtlpEncoder(protocol, redaction, resource)), fate);
  }

  override begin(origin: TraceOrigin, kind: SpanKind): Span {
    const { traceId, caller } = origin;
    const state = this.stateOf(caller?.state);
    if (!this.options.sampler(origin)) return new UnrecordedSpan(`00-${traceId}-${randomHex(8)}-00`, state);
    const trace: Trace = { id: traceId, state, offsetMs: Date.now() - performance.now(), sink: this.sink };
    return new RecordedSpan(trace, caller && { id: caller.spanId, isRemote: true }, kind, kind);
  }

  override get current(): Span {
    const frame = this.storage.getStore();
    return frame ? spanIn(frame) : NO_SPAN;
  }

  override within<T>(span: Span, work: () => T): T {
    return this.storage.run({ span, parent: span, name: '', startedAt: 0, passedAt: undefined }, work);
  }

  override proceed(parent: Span, name: string): void {
    const frame = this.storage.getStore();
    if (!frame) return;
    frame.span = undefined;
    frame.parent = parent;
    frame.name = name;
    frame.startedAt = frame.passedAt ?? performance.now();
    frame.passedAt = undefined;
  }

  override pass(leastMs: number): void {
    const frame = this.storage.getStore();
    if (!frame) return;
    frame.passedAt = performance.now();
    if (frame.span || frame.passedAt - frame.startedAt >= leastMs) spanIn(frame).end(leastMs);
  }

  override async stop(): Promise<void> {
    await this.queue.stop();
    this.sender.close();
  }

  /** It travels on as it is or not at all. */
  private stateOf(given: string | undefined): string | undefined {
    const state = given === undefined ? undefined : parseTraceState(given);
    return state === undefined || this.options.redaction.text(state).count > 0 ? undefined : state;
  }
}

function spanIn(frame: Frame): Span {
  return (frame.span ??= frame.parent.child(frame.name, 'internal', frame.startedAt));
}

function deliverTo(sender: OtlpSender, encoder: OtlpEncoder): Deliver {
  return async (spans, signal) => {
    try {
      const posted = await sender.post(await encoder.encode(spans), signal);
      if (posted.kind === 'failed') return { kind: 'unreachable', reason: posted.reason };
      const { status, body, retryAfterMs } = posted;
      const reason = `HTTP ${status}`;
      if (status >= 200 && status < 300) return { kind: 'taken', refused: await encoder.refusedIn(body) };
      if (!RETRYABLE.has(status)) return { kind: 'refused', reason };
      return { kind: 'unreachable', reason, ...(retryAfterMs === undefined ? {} : { afterMs: retryAfterMs }) };
    } catch (error) {
      return { kind: 'refused', reason: (error as Error).name };
    }
  };
}
