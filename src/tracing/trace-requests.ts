import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Span, Tracer } from '../domain/tracing.js';
import { CLIENT_LEFT, type RequestEndListener } from '../http/request-end.js';
import { sanitiseLogText } from '../redaction/for-people.js';

/** What OpenTelemetry's conventions know; any other is `_OTHER`. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE', 'QUERY']);
/** More than is shown of it: what is cut off in the middle of a secret would not be known for one. */
const USER_AGENT_LENGTH = 1_000;

/**
 * Lets whatever a handler does be done within the span of its request.
 * @returns what must hear of every request's end
 */
export function traceRequests(fastify: FastifyInstance, tracer: Tracer): RequestEndListener {
  fastify.addHook('preHandler', (request, _reply, done) => tracer.within(request.context.span, done));
  return (request, status) => {
    const { span } = request.context;
    if (!span.isRecording) return;
    describe(span, request, status);
    span.end();
  };
}

/** OpenTelemetry's conventions for HTTP servers. No query, and of the address only what is the same for all: the rest may hold anything. */
function describe(span: Span, request: FastifyRequest, status: number): void {
  const { raw, destination, principal, context } = request;
  const { template, isRoute } = destination;
  const method = METHODS.has(request.method) ? request.method : '_OTHER';
  const agent = request.headers['user-agent'];
  const verb = method === '_OTHER' ? 'HTTP' : method;
  const isAnswered = status !== CLIENT_LEFT;
  const error = errorTypeOf(status, context.problem);
  span.rename(isRoute ? `${verb} ${template}` : verb);
  span.set({
    'http.request.method': method,
    'http.request.method_original': method === '_OTHER' ? request.method : undefined,
    'http.route': isRoute ? template : undefined,
    'http.response.status_code': isAnswered ? status : undefined,
    'url.path': isRoute && !/[:*]/.test(template) ? template : undefined,
    'url.scheme': request.protocol,
    'network.protocol.version': raw.httpVersion,
    'server.address': raw.socket.localAddress,
    'server.port': raw.socket.localPort,
    'client.address': request.ip,
    'user_agent.original': agent === undefined ? undefined : sanitiseLogText(agent, USER_AGENT_LENGTH),
    'sallyport.request.id': context.requestId,
    'sallyport.key.id': principal?.id,
    'sallyport.problem': isAnswered ? context.problem : undefined,
  });
  if (error !== undefined) span.fail(error);
}

/** A refusal is no error of a server: only its own are (5xx), and an answer that nobody waited for. */
function errorTypeOf(status: number, problem: string | undefined): string | undefined {
  if (status === CLIENT_LEFT) return 'client_left';
  return status >= 500 ? (problem ?? String(status)) : undefined;
}
