import { addressFault } from '../http/address.js';
import { clientLeft } from '../http/request-end.js';
import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { ErrorTracker } from '../domain/error-tracker.js';
import { GatewayError, toProblem, type ErrorCode } from '../domain/errors.js';
import type { RoutingTable } from '../http/routing-table.js';
import { logLevelOf, reportRefusal } from './report-refusal.js';
import { factsOf } from './request-facts.js';

/** What the framework refuses by itself, by its status, in our words. */
const BY_STATUS: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  400: ['malformed_request', 'The request cannot be read.'],
  404: ['not_found', 'There is nothing at this address.'],
  406: ['not_acceptable', 'No representation of that media type.'],
  408: ['request_timeout', 'The request took too long to arrive.'],
  413: ['payload_too_large', 'The body is larger than this gateway takes.'],
  414: ['uri_too_long', 'The address is longer than this gateway takes.'],
  415: ['unsupported_media_type', 'Bodies are taken as application/json.'],
  431: ['headers_too_large', 'The headers are larger than this gateway takes.'],
};

/** The only place that turns a failure into an answer: status, problem body, headers, metric and, for our own faults, a log line and a report. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly logger: Logger,
    private readonly count: (code: ErrorCode) => void,
    private readonly routes: RoutingTable,
    private readonly tracker: ErrorTracker,
  ) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const error = this.translate(thrown, request);
    this.count(error.code);
    request.context.problem = error.code;
    if (error.status >= 500) this.report(error, request);
    if (error.extra.unread || reply.sent || reply.raw.headersSent) return void reply.raw.destroy();
    void reply
      .code(error.status)
      .headers(headersOf(error))
      .type('application/problem+json')
      .send(JSON.stringify(toProblem(error, request.context.requestId, request.context.traceId)));
  }

  private translate(thrown: unknown, request: FastifyRequest): GatewayError {
    if (thrown instanceof GatewayError) return thrown;
    if (thrown instanceof HttpException) {
      if (thrown.getStatus() === 404) return this.unrouted(request);
      const [code, detail] = BY_STATUS[thrown.getStatus()] ?? BY_STATUS[400]!;
      return new GatewayError(code, detail, { cause: thrown });
    }
    if (hasClientLeft(thrown)) return clientLeft(thrown);
    return new GatewayError('internal', 'The error is logged under this request id.', { cause: thrown });
  }

  private unrouted(request: FastifyRequest): GatewayError {
    const fault = addressFault(request.originalUrl);
    if (fault) return fault;
    const allow = this.routes.methodsOf(request.url.split('?', 1)[0] ?? '/');
    return allow.length > 0 && !allow.includes(request.method)
      ? new GatewayError('method_not_allowed', `This address takes ${allow.join(', ')}.`, { allow })
      : new GatewayError('not_found', 'There is nothing at this address.');
  }

  private report(error: GatewayError, request: FastifyRequest): void {
    reportRefusal(this.tracker, error, { request: factsOf(request) });
    this.logger[logLevelOf(error.code)](
      { request_id: request.context.requestId, trace_id: request.context.traceId, code: error.code, err: error.extra.cause },
      `request failed: ${error.message}`,
    );
  }
}

/** Node's errors for a client that left while it was still sending its body, or just before a stream to it began. */
function hasClientLeft(thrown: unknown): boolean {
  if (!(thrown instanceof Error) || !('code' in thrown)) return false;
  return (
    thrown.code === 'ERR_STREAM_PREMATURE_CLOSE' || (thrown.code === 'ECONNRESET' && 'statusCode' in thrown && thrown.statusCode === 400)
  );
}

function headersOf(error: GatewayError): Record<string, string> {
  const headers: Record<string, string> = { 'cache-control': 'no-store' };
  if (error.code === 'unauthenticated') headers['www-authenticate'] = 'Bearer realm="sallyport"';
  if (error.extra.allow) headers['allow'] = error.extra.allow.join(', ');
  if (error.extra.retryAfterSeconds !== undefined) headers['retry-after'] = String(error.extra.retryAfterSeconds);
  return headers;
}
