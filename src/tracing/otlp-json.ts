import { VERSION } from '../config/version.js';
import type { SpanAttributes } from '../domain/tracing.js';
import { flagsOf, type Instant, instantOf, SPAN_KINDS, STATUS_ERROR, STATUS_UNSET, type WireSpan } from './wire-span.js';

/** `ExportTraceServiceRequest` in OTLP's JSON: ids in hex, 64-bit numbers as text. */
export function write(spans: readonly WireSpan[], resource: SpanAttributes): Uint8Array {
  const scopeSpans = [{ scope: { name: 'sallyport', version: VERSION }, spans: spans.map(jsonSpan) }];
  const resourceSpans = [{ resource: { attributes: jsonAttributes(resource), droppedAttributesCount: 0 }, scopeSpans }];
  return Buffer.from(JSON.stringify({ resourceSpans }));
}

/** How many spans of a request the collector says that it left out (`ExportTraceServiceResponse`). */
export function readRejected(answer: Uint8Array): number {
  const { partialSuccess } = JSON.parse(Buffer.from(answer).toString()) as {
    readonly partialSuccess?: { readonly rejectedSpans?: unknown };
  };
  return Number(partialSuccess?.rejectedSpans ?? 0);
}

function jsonSpan({ span, name, attributes }: WireSpan): object {
  const { id, trace, parent, kind, failure, startedAt, endedAt = startedAt } = span;
  return {
    traceId: trace.id,
    spanId: id,
    parentSpanId: parent?.id,
    traceState: trace.state,
    name,
    kind: SPAN_KINDS[kind],
    startTimeUnixNano: nanoseconds(instantOf(span, startedAt)),
    endTimeUnixNano: nanoseconds(instantOf(span, endedAt)),
    attributes: jsonAttributes(attributes),
    droppedAttributesCount: 0,
    events: [],
    droppedEventsCount: 0,
    status: { code: failure === undefined ? STATUS_UNSET : STATUS_ERROR },
    links: [],
    droppedLinksCount: 0,
    flags: flagsOf(span),
  };
}

function jsonAttributes(attributes: SpanAttributes): object[] {
  return Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value: jsonValue(value) }]));
}

function jsonValue(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: value } : { doubleValue: value };
}

function nanoseconds({ seconds, nanoseconds: rest }: Instant): string {
  return String(BigInt(seconds) * 1_000_000_000n + BigInt(rest));
}
