import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { Server as TlsServer } from 'node:tls';

/** What the system says where it has no such address, as where IPv6 is switched off. */
const NOT_HERE = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL']);

/**
 * The addresses that a host to listen on stands for. `localhost` is both addresses of loopback, whatever the resolver of this host makes
 * of it (RFC 6761, 6.3): clients try one or the other, and where only one is ours the other may be somebody else's.
 */
export function addressesOf(host: string): readonly [string, ...string[]] {
  return host === 'localhost' ? ['127.0.0.1', '::1'] : [host];
}

/**
 * Further addresses of a server that listens already, on the same port. Their connections become the server's own, so that nothing can
 * be put on it that they lack: certificates, caps, time limits. The framework would open a second server for `localhost`, which has only
 * what the first one was made with.
 */
export class SideDoors {
  private readonly doors: Server[] = [];

  constructor(private readonly server: Server) {}

  /** Rejects with the system's error when somebody else listens there; addresses that this host does not have are left out. */
  async open(addresses: readonly string[]): Promise<void> {
    for (const host of addresses) {
      const { port } = this.server.address() as AddressInfo;
      // As Node makes the server itself.
      const door = createServer({ allowHalfOpen: !(this.server instanceof TlsServer), noDelay: true });
      door.on('connection', (socket) => this.server.emit('connection', socket));
      try {
        await once(door.listen(port, host), 'listening');
        this.doors.push(door);
      } catch (error) {
        if (!NOT_HERE.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
      }
    }
  }

  /** Takes no more connections; resolves when those that came have ended. */
  async close(): Promise<void> {
    await Promise.all(this.doors.splice(0).map((door) => once(door.close(), 'close')));
  }
}
