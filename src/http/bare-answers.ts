import type { Socket } from 'node:net';
import { type ErrorCode, GatewayError, type Problem, toProblem } from '../domain/errors.js';
import { newId } from './request-context.js';

/** Codes of Node's parser that are no mere bad syntax. */
const BY_PARSER_CODE: Readonly<Record<string, GatewayError['code']>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'payload_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/** Answers on the bare socket, where there is no request that hooks and filter could see, and closes. */
export class BareAnswers {
  private readonly last = new WeakSet<Socket>();
  private readonly given = new WeakMap<Socket, Problem>();

  /**
   * @param headers what every answer carries
   * @param onRefused hears of each, but for those whose client had left
   */
  constructor(
    private readonly headers: Readonly<Record<string, string>>,
    private readonly onRefused: (code: ErrorCode) => void,
  ) {}

  /** Bytes that are no HTTP request: Node's `clientError`. */
  readonly refuseBytes = (error: Error & { code?: string }, socket: Socket): void => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    // Its last answer is on the way, and closes it when it is out.
    if (this.last.has(socket)) return;
    // A client that ends its side in the middle of a request has left it, whatever it still reads.
    const hasLeft = error.code === 'HPE_INVALID_EOF_STATE';
    this.answer(socket, new GatewayError(BY_PARSER_CODE[error.code ?? ''] ?? 'malformed_request', 'The request cannot be read.'), !hasLeft);
  };

  /** The connection gets no answer after the one that it gets now: what else has come over it is not to be trusted. */
  endAfterThis(socket: Socket): void {
    this.last.add(socket);
  }

  refuse(socket: Socket, error: GatewayError): void {
    this.answer(socket, error, true);
  }

  /** What was answered, to the first who asks: a request that was under way on this socket has no other answer. */
  take(socket: Socket): Problem | undefined {
    const problem = this.given.get(socket);
    this.given.delete(socket);
    return problem;
  }

  private answer(socket: Socket, error: GatewayError, isNoted: boolean): void {
    const problem = toProblem(error, newId('req'));
    if (isNoted) {
      this.given.set(socket, problem);
      this.onRefused(error.code);
    }
    const body = JSON.stringify(problem);
    const head = [
      `HTTP/1.1 ${problem.status} ${problem.title}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      `X-Request-Id: ${problem.requestId}`,
      'Connection: close',
      ...Object.entries(this.headers).map(([name, value]) => `${name}: ${value}`),
    ];
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  }
}
