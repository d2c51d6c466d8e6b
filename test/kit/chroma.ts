import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { where } from './where.js';

const require = createRequire(join(process.cwd(), 'package.json'));

/** Why the server that `chromadb` brings cannot run on this system; undefined: it can. */
function missing(): string | undefined {
  try {
    require(`chromadb-js-bindings-${process.platform}-${process.arch}${process.platform === 'linux' ? '-gnu' : ''}`);
    return undefined;
  } catch {
    return `chromadb brings no server that runs on ${process.platform} ${process.arch}`;
  }
}

const reason = missing();

/** Tests against a real Chroma server. */
export const withChroma = where(reason === undefined, reason ?? '');

/** A real Chroma server on a port of its own, that can be killed and started again on what it has stored. */
export class Chroma {
  private server: ChildProcess | undefined;

  private constructor(
    private readonly folder: string,
    readonly port: number,
  ) {}

  /** @param folder where it stores; made when it is needed */
  static async start(folder: string): Promise<Chroma> {
    const chroma = new Chroma(folder, await freePort());
    await chroma.start();
    return chroma;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const program = join(process.cwd(), 'node_modules/chromadb/dist/cli.mjs');
    const args = ['run', '--path', this.folder, '--host', '127.0.0.1', '--port', String(this.port)];
    const server = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'pipe'], env: {} });
    this.server = server;
    let said = '';
    server.stderr.setEncoding('utf8').on('data', (text: string) => void (said += text));
    try {
      await eventually(async () => server.exitCode !== null || (await fetch(`${this.url}/api/v2/heartbeat`)).ok, 20_000, 20);
      if (server.exitCode !== null) throw new Error(`it ended with ${server.exitCode}`);
    } catch (cause) {
      await this.kill();
      throw new Error(`Chroma does not come up: ${said}`, { cause });
    }
  }

  async kill(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const gone = once(server, 'exit');
    server.kill('SIGKILL');
    await gone;
  }

  /** As a client of its own: what collections there are, or what is done to them. */
  async ask<Body>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<Body> {
    const response = await fetch(`${this.url}/api/v2/tenants/default_tenant/databases/default_database/${path}`, {
      method,
      ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Body;
  }
}
