import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer, TLSSocket } from 'node:tls';
import { PassingSet } from '../domain/passing-set.js';

const LOOK_EVERY_MS = 50;

/**
 * The connections of a server, so that no client can hold up its end. Node's own `close` waits for connections over which
 * nothing has ever come (browsers open such), for requests that never become whole, for answers that nobody reads and, after
 * an answer, for as long as its connection may be kept alive. Must be made before the server listens.
 */
export class Connections {
  private readonly open = new PassingSet<Socket>();
  private readonly overTls: boolean;

  constructor(private readonly server: Server) {
    this.overTls = server instanceof TlsServer;
    server.on('connection', (socket) => this.note(socket));
    server.on('secureConnection', (socket: TLSSocket) => this.note(socket));
  }

  private note(socket: Socket): void {
    socket.once('close', this.open.add(socket));
  }

  /** Closes the server: what is idle is cut as soon as it is, what is being answered when `patience` aborts. */
  async end(close: () => Promise<void>, patience: AbortSignal): Promise<void> {
    const cutAll = () => this.server.closeAllConnections();
    const looking = setInterval(() => this.cutIdle(), LOOK_EVERY_MS);
    patience.addEventListener('abort', cutAll, { once: true });
    try {
      await close();
    } finally {
      clearInterval(looking);
      patience.removeEventListener('abort', cutAll);
    }
  }

  private cutIdle(): void {
    const shaken = new Set([...this.open].filter((socket) => socket instanceof TLSSocket).map(peerOf));
    for (const socket of this.open) {
      const isShakingHands = this.overTls && !shaken.has(peerOf(socket));
      if (isShakingHands || socket.bytesRead === 0) socket.destroy();
    }
    this.server.closeIdleConnections();
  }
}

/** The same of a connection and of the TLS that is spoken over it. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
