import 'reflect-metadata';
import type { Socket } from 'node:net';
import fastifyCors from '@fastify/cors';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AppModule, type Ingredients } from './app.module.js';
import { AccessGate } from './auth/access-gate.js';
import { guardRoutes } from './auth/guard-routes.js';
import type { Settings } from './config/settings.schema.js';
import { GatewayError, toProblem } from './domain/errors.js';
import { Clock } from './domain/ports.js';
import { ProblemFilter } from './error-tracking/problem.filter.js';
import { Gateway } from './gateway.js';
import { MAX_ADDRESS_LENGTH, routableAddress } from './http/address.js';
import { unwrapAnswers } from './http/answer.js';
import { acceptJsonBodies } from './http/body-parser.js';
import { capConnections } from './http/connection-cap.js';
import { createRequestContext, newId } from './http/request-context.js';
import { clientLeft, onRequestEnd } from './http/request-end.js';
import { createSecurityHeaders } from './http/security-headers.js';
import { destinationOf, ROUTE_MARK } from './http/route-access.js';
import { RoutingTable } from './http/routing-table.js';
import { logRequests } from './logging/access-log.js';
import { NestLogger } from './logging/logger.js';
import { measureRequests } from './metrics/http-metrics.js';
import { Metrics } from './metrics/metrics.js';
import { buildDocument } from './openapi/openapi-document.js';
import { OpenApiDocument } from './openapi/openapi.controller.js';
import type { Logger } from 'pino';

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How often requests are looked at that take too long to come: Node's own 30 s would make the times above mean little. */
const LATE_CHECK_MS = 1_000;
/**
 * An answer of which the client takes nothing is cut, as nginx' `send_timeout` does: within a minute, for Node looks twice, to see whether
 * anything has gone out between.
 */
const STALLED_MS = 30_000;

/** The HTTP side of the gateway, ready to listen but not started. */
export interface Server {
  readonly app: NestFastifyApplication;
  readonly gateway: Gateway;
  readonly routes: RoutingTable;
}

/** Puts the doors in front of the rooms: limits, hooks, parsers, documentation. Does not listen yet. */
export async function createServer(ingredients: Ingredients): Promise<Server> {
  const { settings, logger } = ingredients;
  const adapter = new FastifyAdapter({
    logger: false,
    // No Express middleware is used, and its emulation would cost every request.
    skipMiddie: true,
    bodyLimit: settings.BODY_LIMIT,
    trustProxy: settings.TRUSTED_PROXIES ?? false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: STALLED_MS,
    keepAliveTimeout: 65_000,
    forceCloseConnections: 'idle',
    // Whoever still comes over an open connection is refused in our words.
    return503OnClosing: false,
    rewriteUrl: routableAddress,
    routerOptions: { maxParamLength: MAX_ADDRESS_LENGTH },
    // Node would refuse such a request with a bare line; a hook does in our words.
    http: {
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: LATE_CHECK_MS,
      maxHeaderSize: 16 * 1024,
      requireHostHeader: false,
    },
    clientErrorHandler: answerClientError,
  });
  const routes = new RoutingTable();
  const fastify = adapter.getInstance();
  markSwaggerRoutes(fastify);
  routes.watch(fastify);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.register(ingredients), adapter, {
    logger: new NestLogger(logger),
    bodyParser: false,
    abortOnError: false,
  });
  // Expectations that we do not know are ignored, as RFC 9110, 10.1.1 allows; Node would refuse them with a bare line.
  app.getHttpServer().on('checkExpectation', (request, response) => void app.getHttpServer().emit('request', request, response));
  capConnections(app.getHttpServer(), {
    perAddress: settings.CONNECTIONS_PER_ADDRESS,
    exempt: settings.TRUSTED_PROXIES ?? [],
    onRefused: () => app.get(Metrics).connectionsRefused.inc(),
  });
  await addHooks(app, settings, logger);
  app.useGlobalFilters(new ProblemFilter(logger, (code) => app.get(Metrics).errors.inc({ code }), routes));
  serveDocumentation(app);
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  refuseUnmarkedRoutes(routes);
  app.get(OpenApiDocument).describe(() => buildDocument(app, routes.routes()));
  return { app, gateway: app.get(Gateway), routes };
}

async function addHooks(app: NestFastifyApplication, settings: Settings, logger: Logger): Promise<void> {
  const fastify = app.getHttpAdapter().getInstance();
  const clock = app.get(Clock);
  const now = () => clock.monotonic();
  fastify.decorateRequest('context', null as never);
  fastify.decorateRequest('destination', null as never);
  fastify.decorateRequest('principal', undefined);
  fastify.addHook('onRequest', (request, reply, done) => {
    request.context = createRequestContext(request.headers, now());
    request.destination = destinationOf(request);
    void reply.headers(ANSWER_HEADERS).header('x-request-id', request.context.requestId);
    reply.raw.on('timeout', cutStalled);
    done();
  });
  onRequestEnd(fastify, [measureRequests(fastify, app.get(Metrics), now), logRequests(logger, now)]);
  fastify.addHook('onRequest', (request, _reply, done) => done(unanswerable(request)));
  if (settings.CORS_ORIGINS) {
    // Not strict: what is no preflight would be refused in plain text, and not as a problem.
    await fastify.register(fastifyCors, {
      origin: settings.CORS_ORIGINS,
      methods: BROWSER_METHODS,
      strictPreflight: false,
      exposedHeaders: EXPOSED_HEADERS,
    });
  }
  guardRoutes(fastify, app.get(AccessGate), settings);
  acceptJsonBodies(fastify);
  unwrapAnswers(fastify);
}

/** The connection has been silent for {@link STALLED_MS}: while a run is waited for it may be, with bytes that nobody takes it may not. */
function cutStalled(socket: Socket): void {
  if (socket.writableLength > 0) socket.destroy();
}

/** Requests that go no further: without a host (RFC 9112, 3.2), or read after their client left, whose address is then unknown. */
function unanswerable({ raw }: FastifyRequest): GatewayError | undefined {
  if (raw.httpVersion === '1.1' && raw.headers.host === undefined)
    return new GatewayError('malformed_request', 'An HTTP/1.1 request names its host.');
  if (raw.socket.remoteAddress === undefined) return clientLeft();
  return undefined;
}

/** What a key may read is for no cache; routes whose answers may be kept say so. */
const ANSWER_HEADERS = { ...createSecurityHeaders(), 'cache-control': 'no-store' };
const BROWSER_METHODS = ['GET', 'HEAD', 'POST', 'DELETE'];
const EXPOSED_HEADERS = ['X-Request-Id', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'Location', 'Link', 'Idempotency-Replayed'];
const DOCS_PATH = 'docs';

function serveDocumentation(app: NestFastifyApplication): void {
  SwaggerModule.setup(DOCS_PATH, app, () => app.get(OpenApiDocument).routes, {
    raw: false,
    customSiteTitle: 'Sallyport API',
    customCss: '.swagger-ui .topbar { display: none }',
    swaggerOptions: { persistAuthorization: true, tryItOutEnabled: true, defaultModelsExpandDepth: 0 },
  });
}

/** Swagger's routes are not ours to decorate; they take the operator's setting like the spec itself. */
function markSwaggerRoutes(fastify: FastifyInstance): void {
  fastify.addHook('onRoute', (route) => {
    if (route.url === `/${DOCS_PATH}` || route.url.startsWith(`/${DOCS_PATH}/`)) {
      route.config = { ...route.config, [ROUTE_MARK]: { access: { setting: 'DOCS_ACCESS' } } } as never;
    }
  });
}

function refuseUnmarkedRoutes(routes: RoutingTable): void {
  const unmarked = routes.routes().filter(({ mark, method }) => !mark && method !== 'OPTIONS');
  if (unmarked.length > 0)
    throw new Error(`routes without declared access: ${unmarked.map(({ method, url }) => `${method} ${url}`).join(', ')}`);
}

/** Bytes that are no HTTP request: answered on the bare socket, then closed. */
function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const code = tooLarge ? 'headers_too_large' : late ? 'request_timeout' : 'malformed_request';
  const problem = toProblem(new GatewayError(code, 'The request cannot be read.'), newId('req'));
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${problem.requestId}`,
    'Connection: close',
    ...Object.entries(ANSWER_HEADERS).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
