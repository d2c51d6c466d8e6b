import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { eventually } from './eventually.js';

/** A span as a collector stores it. */
export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly traceState: string | undefined;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client';
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly isError: boolean;
  readonly resource: Readonly<Record<string, unknown>>;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** What a collector answers that takes everything. */
const take: Answer = (_request, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{}');

const collectors = new Set<Collector>();

/** An OpenTelemetry collector that takes OTLP over HTTP, and keeps what came, in bytes too. */
export async function startCollector(): Promise<Collector> {
  const collector = new Collector();
  await collector.listen();
  collectors.add(collector);
  return collector;
}

export async function stopCollectors(): Promise<void> {
  await Promise.all([...collectors].map((collector) => collector.stop()));
  collectors.clear();
}

export class Collector {
  readonly spans: CollectedSpan[] = [];
  readonly requests: { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: Buffer }[] = [];
  /** How it answers from now on. */
  answer = take;
  private readonly server = createServer((request, response) => void this.receive(request, response));

  async listen(): Promise<void> {
    await once(this.server.listen(0, '127.0.0.1'), 'listening');
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** What a gateway has to be told to send here. */
  get settings(): Readonly<Record<string, string>> {
    return { OTEL_EXPORTER_OTLP_ENDPOINT: this.url, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' };
  }

  /** Everything that ever came, as bytes. */
  get bytes(): Buffer {
    return Buffer.concat(this.requests.map(({ body }) => body));
  }

  takeAgain(): void {
    this.answer = take;
  }

  /** The spans of a trace, once there is one of each of these names. */
  trace(traceId: string, ...names: readonly string[]): Promise<Trace> {
    return eventually(() => {
      const trace = new Trace(this.spans.filter((span) => span.traceId === traceId));
      return names.every((name) => trace.all(name).length > 0) && trace;
    });
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    if (this.server.listening) await once(this.server.close(), 'close');
  }

  private async receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
    const body = Buffer.concat(pieces);
    this.requests.push({ path: request.url ?? '', headers: request.headers, body });
    if (this.answer === take && request.headers['content-type'] === 'application/json') this.spans.push(...readSpans(body));
    this.answer(request, response);
  }
}

/** The spans of one trace. */
export class Trace {
  constructor(readonly spans: readonly CollectedSpan[]) {}

  all(name: string): CollectedSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  /** @throws Error unless there is exactly one */
  one(name: string): CollectedSpan {
    const [span, ...more] = this.all(name);
    if (!span || more.length > 0) throw new Error(`expected one span ${name}: ${this.spans.map((each) => each.name).join(', ')}`);
    return span;
  }

  /** The names from the outermost span to this one. */
  path(span: CollectedSpan): string[] {
    const parent = this.spans.find(({ spanId }) => spanId === span.parentSpanId);
    return [...(parent ? this.path(parent) : []), span.name];
  }
}

interface Value {
  readonly stringValue?: string;
  readonly intValue?: number | string;
  readonly boolValue?: boolean;
  readonly doubleValue?: number;
}
type Pairs = readonly { readonly key: string; readonly value: Value }[];
interface WireSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: Pairs;
  readonly status: { readonly code: number };
}
interface ExportRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Pairs };
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
  }[];
}

/** OTLP/JSON: ids in hex, 64-bit numbers as text. */
function readSpans(body: Buffer): CollectedSpan[] {
  const { resourceSpans } = JSON.parse(body.toString()) as ExportRequest;
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) => spans.map((span) => readSpan(span, record(resource.attributes)))),
  );
}

function readSpan(span: WireSpan, resource: Readonly<Record<string, unknown>>): CollectedSpan {
  const kind = ([undefined, 'internal', 'server', 'client'] as const)[span.kind];
  if (!kind || !/^[0-9a-f]{32}$/.test(span.traceId) || !/^[0-9a-f]{16}$/.test(span.spanId)) throw new Error('no span of the format');
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    traceState: span.traceState,
    name: span.name,
    kind,
    start: BigInt(span.startTimeUnixNano),
    end: BigInt(span.endTimeUnixNano),
    attributes: record(span.attributes),
    isError: span.status.code === 2,
    resource,
  };
}

function record(pairs: Pairs): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    pairs.map(({ key, value }) => [
      key,
      value.stringValue ?? value.boolValue ?? value.doubleValue ?? (value.intValue === undefined ? undefined : Number(value.intValue)),
    ]),
  );
}
