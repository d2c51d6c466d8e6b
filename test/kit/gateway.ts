import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { stringify } from 'yaml';
import type { NewKey } from '../../src/auth/auth.schemas.js';
import { KeyService } from '../../src/auth/key.service.js';
import { LOCAL_PRINCIPAL } from '../../src/auth/local-principal.js';
import { loadSettings } from '../../src/config/settings.js';
import type { Problem } from '../../src/domain/errors.js';
import type { LaunchRequest } from '../../src/domain/launcher.js';
import type { Role } from '../../src/domain/principal.js';
import type { RunEnvelope } from '../../src/runs/run-envelope.js';
import { createServer, type Server } from '../../src/server.js';
import { LeakWatch } from './leaks.js';

/** A command as a catalogue file declares it. */
export type Declaration = Readonly<Record<string, unknown>>;

export interface GatewayOptions {
  /** Commands by name, instead of the shipped catalogue. */
  readonly commands?: Readonly<Record<string, Declaration>>;
  /** Settings as an environment would give them. */
  readonly settings?: Readonly<Record<string, string>>;
  /** A folder that outlives the gateway, for tests that start another on it. */
  readonly dataDir?: string;
  /** Takes the log's lines. */
  readonly onLog?: (line: string) => void;
}

export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

export interface RunBody {
  readonly command?: string;
  readonly args?: unknown;
  readonly text?: string;
}

const alive = new Set<TestGateway>();
const leaks = new LeakWatch();

/** A real gateway on a port of its own: real HTTP, real SQLite in a temporary folder, real children. */
export async function startGateway(options: GatewayOptions = {}): Promise<TestGateway> {
  leaks.begin();
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
  const dataDir = options.dataDir ?? join(folder, 'data');
  const environment = {
    HOST: '127.0.0.1',
    PORT: '0',
    DATA_DIR: dataDir,
    ENVIRONMENT: 'test',
    RATE_LIMIT_ENABLED: 'false',
    CONNECTIONS_PER_ADDRESS: '0',
    KILL_GRACE: '300ms',
    // The start-up self-test takes a while; tests of containment ask for it.
    SANDBOX: 'off',
    DRAIN_TIMEOUT: '2s',
    ...(options.commands ? { CATALOGUE_DIR: writeCatalogue(folder, options.commands) } : {}),
    ...options.settings,
  };
  const loaded = loadSettings({ PATH: process.env['PATH'], ...environment }, folder);
  const logger = options.onLog ? pino({ level: loaded.settings.LOG_LEVEL }, { write: options.onLog }) : pino({ level: 'silent' });
  const server = await createServer({ ...loaded, logger });
  try {
    const bootstrap = await server.gateway.start();
    const launches = leaks.watch(server.gateway.parts.launcher);
    await server.app.listen(0, '127.0.0.1');
    const gateway = new TestGateway(server, {
      folder,
      dataDir,
      launches,
      bootstrapKey: bootstrap.kind === 'made' ? bootstrap.text : undefined,
    });
    alive.add(gateway);
    return gateway;
  } catch (error) {
    await server.app.close();
    await server.gateway.stop();
    throw error;
  }
}

/** Stops whatever a test left running, also when it failed; fails when a host, a program or a handle stays behind. */
export async function stopGateways(): Promise<void> {
  for (const gateway of alive) await gateway.stop();
  await leaks.expectNoLeaks();
}

function writeCatalogue(folder: string, commands: Readonly<Record<string, Declaration>>): string {
  const directory = join(folder, 'commands');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'test.yaml'), stringify({ commands }, { aliasDuplicateObjects: false }));
  return directory;
}

export class TestGateway {
  readonly url: string;
  readonly folder: string;
  readonly dataDir: string;
  readonly bootstrapKey: string | undefined;
  /** Every program that was handed to an executor host, oldest first. */
  readonly launches: readonly LaunchRequest[];
  private readonly keys = new Map<string, string>();

  constructor(
    readonly server: Server,
    made: Pick<TestGateway, 'folder' | 'dataDir' | 'bootstrapKey' | 'launches'>,
  ) {
    this.folder = made.folder;
    this.dataDir = made.dataDir;
    this.bootstrapKey = made.bootstrapKey;
    this.launches = made.launches;
    this.url = `http://127.0.0.1:${(server.app.getHttpServer().address() as AddressInfo).port}`;
    if (made.bootstrapKey) this.keys.set('admin *', made.bootstrapKey);
  }

  /** A key of the role, made on first use. */
  async key(role: Role, scopes: readonly string[] = ['*']): Promise<string> {
    const label = `${role} ${scopes.join(' ')}`;
    const known = this.keys.get(label);
    if (known) return known;
    const text = await this.newKey({ role, scopes: [...scopes] });
    this.keys.set(label, text);
    return text;
  }

  /** A new key; every call makes another one. */
  async newKey(differences: Partial<NewKey> = {}): Promise<string> {
    const request: NewKey = { name: 'test', role: 'operator', scopes: ['*'], ...differences };
    return (await this.server.app.get(KeyService).create(request, { principal: LOCAL_PRINCIPAL, requestId: 'test' })).text;
  }

  /** A caller with a key of that role. */
  async as(role: Role, scopes?: readonly string[]): Promise<Caller> {
    return this.with(await this.key(role, scopes));
  }

  /** A caller with this key. */
  with(key: string): Caller {
    return new Caller(this.url, key);
  }

  anonymous(): Caller {
    return new Caller(this.url, undefined);
  }

  async stop(options: { keepData?: boolean } = {}): Promise<void> {
    alive.delete(this);
    leaks.noteHosts(this.server.gateway.parts.launcher);
    await this.server.gateway.drain(0, new AbortController().signal);
    await this.server.app.close();
    await this.server.gateway.stop();
    if (!options.keepData) rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface RequestParts {
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is. */
  readonly raw?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** Aborted, the client leaves. */
  readonly signal?: AbortSignal;
}

/** An API client as people write them. */
export class Caller {
  constructor(
    readonly url: string,
    readonly key: string | undefined,
  ) {}

  async request<Body = unknown>(method: string, path: string, init: RequestParts = {}): Promise<Answer<Body>> {
    const body = init.raw ?? (init.body === undefined ? undefined : JSON.stringify(init.body));
    const headers = {
      ...(this.key ? { 'x-api-key': this.key } : {}),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...init.headers,
    };
    const response = await fetch(this.url + path, {
      method,
      headers,
      redirect: 'manual',
      ...(init.signal ? { signal: init.signal } : {}),
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    const isJson = text !== '' && /[/+]json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as Body };
  }

  get<Body = unknown>(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer<Body>> {
    return this.request<Body>('GET', path, { headers });
  }

  post<Body = unknown>(path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer<Body>> {
    return this.request<Body>('POST', path, { body, headers });
  }

  /** Runs and returns the envelope; fails the test on a refusal. */
  async run(command: string, args?: Readonly<Record<string, unknown>>): Promise<RunEnvelope> {
    const { status, body } = await this.post<RunEnvelope>('/run', { command, ...(args ? { args } : {}) });
    if (status !== 200) throw new Error(`expected a run, got ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** Asks for a run that is expected to be refused. */
  async refused(body: RunBody): Promise<Problem> {
    const answer = await this.post<Problem>('/run', body);
    if (answer.status < 400) throw new Error(`expected a refusal, got ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** Streams a run and collects its events. */
  async stream(body: RunBody, path = '/stream'): Promise<SseEvent[]> {
    const { status, body: text } = await this.post<string>(path, body);
    if (status !== 200) throw new Error(`expected a stream, got ${status} ${JSON.stringify(text)}`);
    return parseEvents(text);
  }
}

export interface SseEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: Record<string, unknown>;
}

/** Frames of a text/event-stream; comments are left out. */
export function parseEvents(text: string): SseEvent[] {
  return text
    .split('\n\n')
    .map(fieldsOf)
    .filter(({ event }) => event !== undefined)
    .map(({ event = '', id, data = '{}' }) => ({ event, id, data: JSON.parse(data) as Record<string, unknown> }));
}

function fieldsOf(frame: string): Record<string, string | undefined> {
  return Object.fromEntries(
    frame.split('\n').flatMap((line) => (/^(event|id|data): /.test(line) ? [line.split(/: (.*)/s, 2)] : [])),
  ) as Record<string, string>;
}
