import { PbfReader, PbfWriter } from 'pbf';
import { VERSION } from '../config/version.js';
import type { SpanAttributes } from '../domain/tracing.js';
import { flagsOf, type Instant, instantOf, isAlwaysNew, SPAN_KINDS, STATUS_ERROR, STATUS_UNSET, type WireSpan } from './wire-span.js';

/** How values are written (protobuf's wire types). */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
/** Room for a span to begin with; the writer grows. */
const TYPICAL_SPAN_BYTES = 384;
const MOST_WRITTEN = 1_000;
/** Fields of a span. */
const NAME = 5;
const FLAGS = 16;
const HALF = 2 ** 32;
const OUTSIDE_INT64 = 2 ** 63;

interface Request {
  readonly spans: readonly WireSpan[];
  readonly resource: SpanAttributes;
}

/**
 * `ExportTraceServiceRequest` of opentelemetry-proto (collector/trace/v1/trace_service.proto), byte for byte as OpenTelemetry's own library
 * writes it. Fields have the numbers of the .proto files.
 */
export function write(spans: readonly WireSpan[], resource: SpanAttributes): Uint8Array {
  const pbf = new PbfWriter(new Uint8Array(1_024 + spans.length * TYPICAL_SPAN_BYTES));
  pbf.writeMessage(1, writeResourceSpans, { spans, resource });
  return pbf.finish();
}

/** How many spans of a request the collector says that it left out (`ExportTraceServiceResponse`). */
export function readRejected(answer: Uint8Array): number {
  const answered = { rejected: 0 };
  new PbfReader(answer).readFields((field, result, pbf) => void (field === 1 && pbf.readMessage(readPartialSuccess, result)), answered);
  return answered.rejected;
}

function readPartialSuccess(field: number, result: { rejected: number }, pbf: PbfReader): void {
  if (field === 1) result.rejected = pbf.readVarint(true);
}

function writeResourceSpans({ spans, resource }: Request, pbf: PbfWriter): void {
  pbf.writeMessage(1, writeResource, resource);
  pbf.writeMessage(2, writeScopeSpans, spans);
}

function writeResource(resource: SpanAttributes, pbf: PbfWriter): void {
  writeAttributes(1, resource, pbf);
  writeNumber(2, 0, pbf);
}

function writeScopeSpans(spans: readonly WireSpan[], pbf: PbfWriter): void {
  pbf.writeMessage(1, writeScope, VERSION);
  for (const span of spans) pbf.writeMessage(2, writeSpan, span);
}

function writeScope(version: string, pbf: PbfWriter): void {
  writeText(1, 'sallyport', pbf);
  writeText(2, version, pbf);
}

function writeSpan({ span, name, attributes }: WireSpan, pbf: PbfWriter): void {
  const { trace, parent, startedAt, endedAt = startedAt } = span;
  writeHex(1, trace.id, pbf);
  writeHex(2, span.id, pbf);
  if (trace.state !== undefined) writeText(3, trace.state, pbf);
  if (parent) writeHex(4, parent.id, pbf);
  append(nameOf(name), pbf);
  writeNumber(6, SPAN_KINDS[span.kind], pbf);
  writeInstant(7, instantOf(span, startedAt), pbf);
  writeInstant(8, instantOf(span, endedAt), pbf);
  writeAttributes(9, attributes, pbf);
  append(endOf(span.failure === undefined ? STATUS_UNSET : STATUS_ERROR, flagsOf(span)), pbf);
}

function nameOf(name: string): Uint8Array {
  return known(NAME, name) ?? remember(NAME, name, (pbf) => writeText(NAME, name, pbf));
}

function endOf(status: number, flags: number): Uint8Array {
  const both = flags * (STATUS_ERROR + 1) + status;
  return known(FLAGS, both) ?? remember(FLAGS, both, (pbf) => writeEnd(status, flags, pbf));
}

function writeEnd(status: number, flags: number, pbf: PbfWriter): void {
  // Dropped attributes, events and links.
  for (const field of [10, 12, 14]) writeNumber(field, 0, pbf);
  pbf.writeMessage(15, (code: number) => writeNumber(3, code, pbf), status);
  pbf.writeTag(FLAGS, FIXED32);
  pbf.writeFixed32(flags);
}

/** Whole fields, as they are. */
function append(bytes: Uint8Array, pbf: PbfWriter): void {
  pbf.realloc(bytes.length);
  pbf.buf.set(bytes, pbf.pos);
  pbf.pos += bytes.length;
}

type Value = string | number | boolean;

/**
 * What was written before, by field or by name of the attribute: there are tens of thousands a second, and most say the same as earlier ones.
 * From the beginning when there is too much of it.
 */
const written = new Map<string | number, Map<Value, Uint8Array>>();
let writtenCount = 0;

function known(what: string | number, value: Value): Uint8Array | undefined {
  return written.get(what)?.get(value);
}

function remember(what: string | number, value: Value, write: (pbf: PbfWriter) => void): Uint8Array {
  const pbf = new PbfWriter();
  write(pbf);
  const bytes = pbf.finish();
  if (++writtenCount > MOST_WRITTEN) {
    written.clear();
    writtenCount = 1;
  }
  written.set(what, (written.get(what) ?? new Map<Value, Uint8Array>()).set(value, bytes));
  return bytes;
}

function writeAttributes(field: number, attributes: SpanAttributes, pbf: PbfWriter): void {
  for (const key in attributes) {
    const value = attributes[key];
    if (value === undefined) continue;
    const pair = known(key, value) ?? (isAlwaysNew(key) ? undefined : remember(key, value, (one) => writePair([key, value], one)));
    if (pair) {
      pbf.writeTag(field, BYTES);
      pbf.writeBytes(pair);
    } else {
      pbf.writeMessage(field, writePair, [key, value]);
    }
  }
}

function writePair([key, value]: readonly [string, Value], pbf: PbfWriter): void {
  writeText(1, key, pbf);
  pbf.writeMessage(2, writeValue, value);
}

function writeValue(value: Value, pbf: PbfWriter): void {
  if (typeof value === 'string') return writeText(1, value, pbf);
  if (typeof value === 'boolean') return writeNumber(2, Number(value), pbf);
  if (Number.isInteger(value) && value >= -OUTSIDE_INT64 && value < OUTSIDE_INT64) return writeNumber(3, value, pbf);
  pbf.writeTag(4, FIXED64);
  pbf.writeDouble(value);
}

function writeNumber(field: number, value: number, pbf: PbfWriter): void {
  pbf.writeTag(field, VARINT);
  pbf.writeVarint(value);
}

/** The writer's own strings are right for what fits into 16 bits: above U+1FFFF they come out as other characters. */
function writeText(field: number, text: string, pbf: PbfWriter): void {
  pbf.writeTag(field, BYTES);
  if (hasSurrogates(text)) pbf.writeBytes(Buffer.from(text));
  else pbf.writeString(text);
}

function hasSurrogates(text: string): boolean {
  for (let at = 0; at < text.length; at++) if ((text.charCodeAt(at) & 0xf800) === 0xd800) return true;
  return false;
}

/** @param digits hex, an even number of them */
function writeHex(field: number, digits: string, pbf: PbfWriter): void {
  const length = digits.length / 2;
  pbf.writeTag(field, BYTES);
  pbf.writeVarint(length);
  pbf.realloc(length);
  const { buf } = pbf;
  let { pos } = pbf;
  for (let at = 0; at < digits.length; at += 2) {
    buf[pos++] = ((NIBBLES[digits.charCodeAt(at)] ?? 0) << 4) | (NIBBLES[digits.charCodeAt(at + 1)] ?? 0);
  }
  pbf.pos = pos;
}

/** What a hex digit in lower case stands for, by its code. */
const NIBBLES = new Uint8Array(128);
for (let nibble = 0; nibble < 16; nibble++) NIBBLES[nibble.toString(16).charCodeAt(0)] = nibble;

/** Nanoseconds since 1970 as 64 bits: more than a number holds, so in two halves. */
function writeInstant(field: number, { seconds, nanoseconds }: Instant, pbf: PbfWriter): void {
  const lowOfSeconds = Math.imul(seconds, 1e9) >>> 0;
  const low = lowOfSeconds + nanoseconds;
  pbf.writeTag(field, FIXED64);
  pbf.writeFixed32(low >>> 0);
  pbf.writeFixed32(Math.round((seconds * 1e9 - lowOfSeconds) / HALF) + Math.floor(low / HALF));
}
