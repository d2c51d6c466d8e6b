import { describe, expect, it } from '@jest/globals';
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import fc from 'fast-check';
import { VERSION } from '../config/version.js';
import type { SpanAttributes } from '../domain/tracing.js';
import { Redaction } from '../redaction/redaction.js';
import { OtlpEncoder, type OtlpProtocol } from './otlp-encoder.js';
import { RecordedSpan } from './spans.js';

type Reference = Parameters<typeof ProtobufTraceSerializer.serializeRequest>[0][number];

const REFERENCES = { 'http/protobuf': ProtobufTraceSerializer, 'http/json': JsonTraceSerializer } as const;
const PROTOCOLS = Object.keys(REFERENCES) as OtlpProtocol[];
const RESOURCE = { 'service.name': 'sallyport', 'host.name': 'grüße' };
const NOTHING_MASKED = { mayMatch: () => false, data: (data: unknown) => data } as unknown as Redaction;

const hex = (length: number) => fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length });
const text = fc.string({ unit: 'binary', maxLength: 150 });
const attributes = fc.dictionary(
  fc.constantFrom('http.route', 'url.path', 'sallyport.run.id', 'naïve', 'k'.repeat(130)),
  fc.oneof(text, fc.boolean(), fc.integer(), fc.maxSafeInteger(), fc.double(), fc.constant(undefined)),
  { noNullPrototype: true },
);
const span = fc.record({
  trace: fc.record({
    id: hex(32),
    state: fc.option(fc.constant('a=1,b=2'), { nil: undefined }),
    offsetMs: fc.integer({ min: 1.7e12, max: 2.1e12 }),
    sink: fc.constant(() => undefined),
  }),
  parent: fc.option(fc.record({ id: hex(16), isRemote: fc.boolean() }), { nil: undefined }),
  kind: fc.constantFrom('internal', 'server', 'client'),
  name: text,
  failure: fc.option(fc.constantFrom('timed_out', '500'), { nil: undefined }),
  attributes,
});

type Given = typeof span extends fc.Arbitrary<infer One> ? One : never;

function recorded({ trace, parent, kind, name, failure, attributes: said }: Given): RecordedSpan {
  const made = new RecordedSpan(trace, parent, kind, name);
  made.set(said);
  if (failure !== undefined) made.fail(failure);
  made.end();
  return made;
}

/** The same as OpenTelemetry's own library reads spans; what the ones of a request have in common is the same object for all. */
function referenceFor(resource: SpanAttributes) {
  const common = {
    resource: { attributes: resource },
    instrumentationScope: { name: 'sallyport', version: VERSION },
    links: [],
    events: [],
    ended: true,
    duration: [0, 0],
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
  return ({ trace, id, parent, kind, name, failure, startedAt, endedAt = NaN, attributes: said }: RecordedSpan): Reference => {
    const context = {
      traceId: trace.id,
      traceFlags: 1,
      ...(trace.state === undefined ? {} : { traceState: { serialize: () => trace.state } }),
    };
    return {
      ...common,
      name,
      kind: ['internal', 'server', 'client'].indexOf(kind),
      spanContext: () => ({ ...context, spanId: id }),
      parentSpanContext: parent && { ...context, spanId: parent.id, isRemote: parent.isRemote },
      startTime: instant(startedAt + trace.offsetMs),
      endTime: instant(endedAt + trace.offsetMs),
      status: { code: failure === undefined ? 0 : 2 },
      attributes: Object.fromEntries(Object.entries({ ...said, 'error.type': failure }).filter(([, value]) => value !== undefined)),
    } as unknown as Reference;
  };
}

function instant(milliseconds: number): [number, number] {
  const seconds = Math.floor(milliseconds / 1_000);
  return [seconds, Math.round((milliseconds - seconds * 1_000) * 1e6)];
}

describe.each(PROTOCOLS)('spans as %s', (protocol) => {
  it("are what OpenTelemetry's own library writes, byte for byte", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(span, { minLength: 1, maxLength: 5 }), async (given) => {
        const spans = given.map(recorded);
        const bytes = await new OtlpEncoder(protocol, NOTHING_MASKED, RESOURCE).encode(spans);
        const reference = REFERENCES[protocol].serializeRequest(spans.map(referenceFor(RESOURCE)));
        expect(Buffer.from(bytes).toString('latin1')).toBe(Buffer.from(reference ?? []).toString('latin1'));
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['nothing', '', '{}', 0],
    ['spans that were left out', '0a020803', '{"partialSuccess":{"rejectedSpans":"3"}}', 3],
    ['a warning', '0a0512036d656e', '{"partialSuccess":{"errorMessage":"men"}}', 0],
    ['what later versions may say', '12020801', '{"later":1}', 0],
  ])('answered with %s', async (_what, bytes, json, rejected) => {
    const answer = protocol === 'http/json' ? Buffer.from(json) : Buffer.from(bytes, 'hex');
    expect(await new OtlpEncoder(protocol, NOTHING_MASKED, RESOURCE).refusedIn(answer)).toBe(rejected);
  });
});
