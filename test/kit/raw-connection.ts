import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A connection held by hand: it sends and reads when the test says so. Destroyed by {@link closeConnections}. */
export class RawConnection {
  /** Everything that came so far, as Latin-1. */
  received = '';
  /** Resolves when the gateway has closed or cut the connection. */
  readonly closed: Promise<unknown>;

  private constructor(private readonly socket: Socket) {
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    // A connection that is cut is what these tests are about.
    socket.on('error', () => undefined);
    socket.setEncoding('latin1').on('data', (text: string) => void (this.received += text));
  }

  /** @param localAddress one of this host's, to be another client: 127.0.0.0/8 are all of them */
  static async open(url: string, localAddress?: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect({
      port: Number(port),
      host: hostname.replace(/^\[|\]$/g, ''),
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    await once(socket, 'connect');
    const connection = new RawConnection(socket);
    connections.add(connection);
    return connection;
  }

  /** Resolves to true when this has come, to false when the connection ends before. */
  async has(text: string): Promise<boolean> {
    return new Promise((resolve) => {
      const look = () => this.received.includes(text) && resolve(true);
      this.socket.on('data', look);
      void this.closed.then(() => resolve(false));
      look();
    });
  }

  send(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** Reads no more until {@link resume}. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

const connections = new Set<RawConnection>();

export function closeConnections(): void {
  for (const connection of connections) connection.destroy();
  connections.clear();
}
