import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { eventually } from './eventually.js';
import { answerOf, newStudio, type Studio } from './obs-studio.js';

/** What goes wrong, and where. */
export type ObsFault =
  | 'accepts_and_says_nothing'
  | 'redirects'
  | 'speaks_no_subprotocol'
  | 'says_no_hello'
  | 'says_garbage_for_hello'
  | 'closes_before_hello'
  | 'never_identifies'
  | 'closes_after_identify'
  | 'never_answers'
  | 'closes_in_a_request'
  | 'cuts_in_a_request'
  | 'answers_garbage'
  | 'answers_without_status'
  | 'answers_another_request';

const CLOSE = {
  messageDecodeError: 4002,
  unknownOpCode: 4006,
  notIdentified: 4007,
  alreadyIdentified: 4008,
  authenticationFailed: 4009,
  unsupportedRpcVersion: 4010,
} as const;

interface Message {
  readonly op: number;
  readonly d: Readonly<Record<string, unknown>>;
}

/**
 * A server that speaks obs-websocket 5 as OBS does (docs/generated/protocol.md of obs-websocket), on a port of its own: Hello with a challenge,
 * Identify, Identified, requests with their status codes, events among them, and the close codes.
 */
export class ObsPeer {
  /** Requests in the order they came, with their data. */
  readonly requests: { readonly type: string; readonly data: unknown }[] = [];
  /** Identify messages as they came. */
  readonly identified: Readonly<Record<string, unknown>>[] = [];
  readonly studio: Studio = newStudio();
  /** Of the connections from now on, or of the requests from now on. */
  fault: ObsFault | undefined;
  /** Only requests of this type meet the fault. */
  faultyRequest: string | undefined;
  /** Connections that were made. */
  connections = 0;
  private readonly http: Server;
  private readonly sockets = new Set<Socket>();
  private readonly lines = new Set<WebSocket>();
  private readonly server: WebSocketServer;
  private port = 0;

  constructor(private readonly password?: string) {
    this.http = createServer();
    this.server = new WebSocketServer({
      noServer: true,
      handleProtocols: (offered) =>
        this.fault !== 'speaks_no_subprotocol' && offered.has('obswebsocket.json') ? 'obswebsocket.json' : false,
    });
    this.http.on('connection', (socket) => {
      this.connections += 1;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    this.http.on('upgrade', (request, socket, head) => this.upgrade(request, socket as Socket, head));
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.sockets.size;
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.http.listen(this.port, '127.0.0.1', resolve));
    this.port = (this.http.address() as AddressInfo).port;
    return this;
  }

  /** Like the end of OBS. It may be started again, on the same port. */
  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.http.close(() => resolve()));
  }

  /** Closes every connection, as OBS does when its server is switched off and on. */
  async dropAll(): Promise<void> {
    if (this.lines.size === 0) for (const socket of this.sockets) socket.destroy();
    for (const line of this.lines) line.close(1001, 'Server stopping.');
    await eventually(() => this.sockets.size === 0);
  }

  private upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (this.fault === 'accepts_and_says_nothing') {
      // Nobody else reads it, and only who reads hears of the end.
      socket.on('end', () => socket.destroy()).resume();
      return;
    }
    if (this.fault === 'redirects') {
      socket.end('HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    this.server.handleUpgrade(request, socket, head, (line) => this.greet(line));
  }

  private greet(line: WebSocket): void {
    this.lines.add(line);
    line.on('close', () => this.lines.delete(line));
    if (this.fault === 'closes_before_hello') return line.close(1011);
    if (this.fault === 'says_no_hello') return;
    if (this.fault === 'says_garbage_for_hello') return line.send('{"op": 0, "d"');
    const [challenge, salt] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')];
    const authentication = this.password === undefined ? {} : { authentication: { challenge, salt } };
    send(line, 0, { obsStudioVersion: '31.0.0', obsWebSocketVersion: '5.5.4', rpcVersion: 1, ...authentication });
    let identified = false;
    line.on('message', (raw: Buffer) => {
      const message = parse(raw.toString());
      if (!message) return line.close(CLOSE.messageDecodeError, 'Unable to decode Json.');
      if (message.op === 1) {
        if (identified) return line.close(CLOSE.alreadyIdentified, 'You are already Identified with the obs-websocket server.');
        identified = this.identify(line, message.d, { challenge, salt });
        return;
      }
      if (!identified) return line.close(CLOSE.notIdentified, 'You attempted to send a non-Identify message while not identified.');
      if (message.op !== 6) return line.close(CLOSE.unknownOpCode, `Unknown OpCode: ${message.op}`);
      this.answer(line, message.d);
    });
  }

  private identify(line: WebSocket, data: Message['d'], { challenge, salt }: { challenge: string; salt: string }): boolean {
    this.identified.push(data);
    if (this.fault === 'never_identifies') return false;
    if (this.password !== undefined) {
      if (typeof data['authentication'] !== 'string') {
        line.close(
          CLOSE.authenticationFailed,
          "Your payload's data is missing an `authentication` string, however authentication is required.",
        );
        return false;
      }
      if (data['authentication'] !== digest(digest(this.password + salt) + challenge)) {
        line.close(CLOSE.authenticationFailed, 'Authentication failed.');
        return false;
      }
    }
    if (data['rpcVersion'] !== 1) {
      line.close(CLOSE.unsupportedRpcVersion, 'Your requested RPC version is not supported by this server.');
      return false;
    }
    send(line, 2, { negotiatedRpcVersion: 1 });
    if (this.fault === 'closes_after_identify') line.close(1011);
    return true;
  }

  private answer(line: WebSocket, { requestType, requestId, requestData }: Message['d']): void {
    const type = String(requestType);
    this.requests.push({ type, data: requestData });
    const fault = this.faultyRequest === undefined || this.faultyRequest === type ? this.fault : undefined;
    if (fault === 'never_answers') return;
    if (fault === 'closes_in_a_request') return line.close(1011);
    if (fault === 'cuts_in_a_request') return line.terminate();
    if (fault === 'answers_garbage') return line.send('{"op": 7, "d": {');
    if (fault === 'answers_without_status') return send(line, 7, { requestType, requestId });
    if (fault === 'answers_another_request')
      return send(line, 7, { requestType, requestId: 'x', requestStatus: { result: true, code: 100 } });
    // Asked for or not: a client must be able to tell it from the answer.
    send(line, 5, { eventType: 'CurrentProgramSceneChanged', eventIntent: 4, eventData: { sceneName: this.studio.scene } });
    send(line, 7, { requestType, requestId, ...answerOf(this.studio, requestType, requestData) });
  }
}

function send(line: WebSocket, op: number, d: unknown): void {
  line.send(JSON.stringify({ op, d }));
}

function parse(text: string): Message | undefined {
  try {
    return JSON.parse(text) as Message;
  } catch {
    return undefined;
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}
