import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A request as the peer got it. */
export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export type Behaviour = (response: ServerResponse, received: Received) => void;

/** A service outside: a real HTTP server on loopback that does what the test tells it to, and remembers what it got. */
export class Peer {
  readonly received: Received[] = [];
  /** Connections that were made, whatever came of them. */
  connections = 0;
  behave: Behaviour = (response) => response.end('ok');
  private readonly server: Server;

  private constructor() {
    this.server = createServer((request, response) => void this.answer(request, response));
    this.server.on('connection', () => this.connections++);
  }

  static async start(behave?: Behaviour, address = '127.0.0.1'): Promise<Peer> {
    const peer = new Peer();
    if (behave) peer.behave = behave;
    await new Promise<void>((resolve) => peer.server.listen(0, address, resolve));
    return peer;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://${(this.server.address() as AddressInfo).address}:${this.port}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    const received = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: await text(request) };
    this.received.push(received);
    this.behave(response, received);
  }
}
