import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib';

const DECODERS: Readonly<Record<string, (bytes: Buffer) => Promise<Buffer>>> = {
  gzip: promisify(gunzip),
  br: promisify(brotliDecompress),
  deflate: promisify(inflate),
  zstd: promisify(zstdDecompress),
};
const PROJECT = '42';
/** What Relay takes in an envelope no more than once. */
const LONERS = ['event', 'transaction'];
const NEWLINE = 10;

export type Json = Readonly<Record<string, unknown>>;

export interface SentryItem {
  readonly type: string;
  readonly header: Json;
  readonly payload: Json;
}

/** `take`; `refuse`: 500; `limit`: 429 for a minute; `stall`: takes the request and never answers. */
export type PeerMood = 'take' | 'refuse' | 'limit' | 'stall';

const alive = new Set<SentryPeer>();

export async function stopSentryPeers(): Promise<void> {
  for (const peer of alive) await peer.stop();
}

/**
 * What a Sentry server does with envelopes, as far as a client can tell: the endpoint and authentication of Relay, its decoders, its framing
 * (https://develop.sentry.dev/sdk/data-model/envelopes/), and the fields without which it refuses an item.
 */
export class SentryPeer {
  mood: PeerMood = 'take';
  /** Of items that were taken, oldest first. */
  readonly items: SentryItem[] = [];
  /** Whatever arrived, decoded, with its request line and headers. */
  readonly texts: string[] = [];
  /** Why requests were refused. */
  readonly complaints: string[] = [];
  requests = 0;

  private constructor(
    private readonly server: Server,
    readonly key: string,
  ) {
    server.on('request', (request, response) => void this.answer(request, response));
    alive.add(this);
  }

  static async start(port = 0): Promise<SentryPeer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return new SentryPeer(server, 'a1'.repeat(16));
  }

  get dsn(): string {
    return `http://${this.key}@127.0.0.1:${(this.server.address() as AddressInfo).port}/${PROJECT}`;
  }

  get events(): readonly Json[] {
    return this.payloads('event');
  }

  get transactions(): readonly Json[] {
    return this.payloads('transaction');
  }

  payloads(type: string): readonly Json[] {
    return this.items.filter((item) => item.type === type).map(({ payload }) => payload);
  }

  async stop(): Promise<void> {
    alive.delete(this);
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    const body = Buffer.concat(await request.toArray().catch(() => []));
    if (this.mood === 'stall') return;
    if (this.mood !== 'take') {
      const limits = { 'x-sentry-rate-limits': '60:error;transaction:organization' };
      return void response.writeHead(this.mood === 'limit' ? 429 : 500, this.mood === 'limit' ? limits : {}).end();
    }
    try {
      this.authenticate(request);
      const bytes = await decode(body, request.headers['content-encoding']);
      this.texts.push([request.url, request.rawHeaders.join('\n'), bytes.toString()].join('\n'));
      const { headers, items } = parseEnvelope(bytes);
      items.forEach(check);
      for (const kind of LONERS) if (items.filter(({ type }) => type === kind).length > 1) throw new Error(`more than one ${kind}`);
      this.items.push(...items);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ id: headers['event_id'] }));
    } catch (error) {
      this.complaints.push(String(error));
      response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ detail: String(error) }));
    }
  }

  /** In the query, or in a header of its own. */
  private authenticate({ url, method, headers }: IncomingMessage): void {
    const { pathname, searchParams } = new URL(url ?? '', 'http://peer');
    if (method !== 'POST' || pathname !== `/api/${PROJECT}/envelope/`) throw new Error(`no such endpoint: ${method} ${pathname}`);
    const header = new Map(
      String(headers['x-sentry-auth'] ?? '')
        .replace(/^Sentry /, '')
        .split(',')
        .map((pair) => pair.trim().split('=', 2) as [string, string]),
    );
    const given = (name: string) => searchParams.get(name) ?? header.get(name);
    if (given('sentry_key') !== this.key) throw new Error('unknown key');
    if (given('sentry_version') !== '7') throw new Error('unknown version of the protocol');
  }
}

async function decode(body: Buffer, encoding: string | undefined): Promise<Buffer> {
  if (encoding === undefined || encoding === 'identity') return body;
  const decoder = DECODERS[encoding];
  if (!decoder) throw new Error(`unknown encoding ${encoding}`);
  return decoder(body);
}

/**
 * A line of headers, then items: a line of headers and a payload each, as long as the header says or else up to the end of the line.
 * @throws Error when it is none
 */
export function parseEnvelope(bytes: Buffer): { readonly headers: Json; readonly items: readonly SentryItem[] } {
  let place = 0;
  const line = (): Buffer => {
    const end = bytes.indexOf(NEWLINE, place);
    const found = bytes.subarray(place, end < 0 ? bytes.length : end);
    place = end < 0 ? bytes.length : end + 1;
    return found;
  };
  const headers = object(line());
  const items: SentryItem[] = [];
  while (place < bytes.length) {
    const first = line();
    if (first.length === 0) continue;
    const header = object(first);
    const { type, length } = header;
    if (typeof type !== 'string') throw new Error('an item without a type');
    if (length === undefined) items.push({ type, header, payload: object(line()) });
    else {
      const end = place + Number(length);
      if (!Number.isInteger(length) || end > bytes.length) throw new Error('an item is shorter than it says');
      if (end < bytes.length && bytes[end] !== NEWLINE) throw new Error('an item is longer than it says');
      items.push({ type, header, payload: object(bytes.subarray(place, end)) });
      place = end + 1;
    }
  }
  return { headers, items };
}

function object(bytes: Buffer): Json {
  const value: unknown = JSON.parse(bytes.toString());
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('expected an object');
  return value as Json;
}

function check({ type, payload }: SentryItem): void {
  if (type === 'client_report') {
    if (!Array.isArray(payload['discarded_events'])) throw new Error('a client report without discarded_events');
  } else if (LONERS.includes(type)) {
    if (!/^[0-9a-f]{32}$/.test(String(payload['event_id']))) throw new Error('no event_id');
    if (typeof payload['timestamp'] !== 'number') throw new Error('no timestamp');
    if (type === 'transaction') checkTransaction(payload);
  }
}

function checkTransaction({ start_timestamp: start, timestamp: end, contexts, spans }: Json): void {
  const { trace } = (contexts ?? {}) as { trace?: Json };
  if (typeof start !== 'number' || start > Number(end)) throw new Error('a transaction that ends before it starts');
  if (!/^[0-9a-f]{32}$/.test(String(trace?.['trace_id'])) || !/^[0-9a-f]{16}$/.test(String(trace?.['span_id'])))
    throw new Error('a transaction without a trace');
  if (!Array.isArray(spans)) throw new Error('a transaction without spans');
}
