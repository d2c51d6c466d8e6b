import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { where } from './where.js';

/** Debian's `redis-server` brings `redis-cli` along. */
const missing = ['redis-server', 'redis-cli'].filter((tool) => spawnSync(tool, ['--version']).status !== 0);

/** Tests against the real Redis. */
export const withRedis = where(missing.length === 0, `${missing.join(', ')} not installed`);

const alive = new Set<TestRedis>();

/** Ends what tests started. Gateways that use it have to be stopped before. */
export async function stopRedis(): Promise<void> {
  await Promise.all([...alive].map((redis) => redis.close()));
}

/** A real Redis on a port of its own, which keeps nothing over its end. */
export class TestRedis {
  private readonly folder = mkdtempSync(join(tmpdir(), 'sallyport-redis-'));
  private server: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly flags: readonly string[],
  ) {}

  /** @param flags more of them, as the command line of `redis-server` has them */
  static async start(flags: readonly string[] = []): Promise<TestRedis> {
    const redis = new TestRedis(await freePort(), flags);
    alive.add(redis);
    await redis.begin();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Once more after it was killed: empty. */
  async begin(): Promise<void> {
    const own = ['--port', `${this.port}`, '--bind', '127.0.0.1', '--dir', this.folder, '--save', '', '--appendonly', 'no'];
    this.server = spawn('redis-server', [...own, ...this.flags], { stdio: 'ignore' });
    await eventually(async () => {
      const socket = connect(this.port, '127.0.0.1');
      try {
        await once(socket, 'connect');
        return true;
      } finally {
        socket.destroy();
      }
    });
  }

  /** SIGSTOP: it takes connections and answers none. */
  async hang(): Promise<void> {
    this.server?.kill('SIGSTOP');
    await eventually(() => / T /.test(readFileSync(`/proc/${this.server?.pid}/stat`, 'latin1')));
  }

  wake(): void {
    this.server?.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    server.kill('SIGKILL');
    await once(server, 'exit');
  }

  /** What `redis-cli` prints for a command. */
  say(...command: readonly string[]): string {
    return spawnSync('redis-cli', ['-p', `${this.port}`, ...command], { encoding: 'utf8', timeout: 5_000 }).stdout.trim();
  }

  async close(): Promise<void> {
    await this.kill();
    alive.delete(this);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A way to a server that can be interrupted: connections stay, new ones come about, and nothing passes. */
export class Wire {
  private readonly ends = new Set<Socket>();
  private isCut = false;

  private constructor(private readonly server: Server) {}

  static async to(port: number): Promise<Wire> {
    const wire = new Wire(createServer());
    wire.server.on('connection', (near: Socket) => wire.join(near, connect(port, '127.0.0.1')));
    wire.server.listen(0, '127.0.0.1');
    await once(wire.server, 'listening');
    return wire;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** From here on nothing passes; what is sent waits. */
  cut(): void {
    this.isCut = true;
    for (const end of this.ends) end.pause();
  }

  /** What has waited goes on its way, also from senders that are gone by now. */
  mend(): void {
    this.isCut = false;
    for (const end of this.ends) end.resume();
  }

  async close(): Promise<void> {
    for (const end of this.ends) end.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(near: Socket, far: Socket): void {
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.ends.add(from);
      from.on('data', (bytes) => void to.write(bytes));
      from.on('error', () => from.destroy());
      from.on('close', () => {
        this.ends.delete(from);
        to.end();
      });
      if (this.isCut) from.pause();
    }
  }
}
