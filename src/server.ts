import 'reflect-metadata';
import type { Socket } from 'node:net';
import fastifyCors from '@fastify/cors';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AppModule, type Ingredients } from './app.module.js';
import { recordRefusals } from './audit/record-refusals.js';
import { RefusalLedger } from './audit/refusal-ledger.js';
import { AccessGate } from './auth/access-gate.js';
import { guardRoutes } from './auth/guard-routes.js';
import { OpenAnswers } from './auth/open-answers.js';
import type { Settings } from './config/settings.schema.js';
import { SettingsError } from './config/settings.js';
import type { ErrorCode, GatewayError } from './domain/errors.js';
import { ErrorTracker } from './domain/error-tracker.js';
import { Clock } from './domain/ports.js';
import { Tracer } from './domain/tracing.js';
import { ProblemFilter } from './error-tracking/problem.filter.js';
import { reportTransactions } from './error-tracking/request-facts.js';
import { Gateway } from './gateway.js';
import { MAX_ADDRESS_LENGTH, routableAddress } from './http/address.js';
import { unwrapAnswers } from './http/answer.js';
import { BareAnswers } from './http/bare-answers.js';
import { acceptJsonBodies } from './http/body-parser.js';
import { createBrowserRule } from './http/browser-rule.js';
import { capConnections } from './http/connection-cap.js';
import { answerOddRequests, framingFault, NODE_HEADER_BYTES } from './http/framing.js';
import { createRequestContext } from './http/request-context.js';
import { clientLeft, onRequestEnd } from './http/request-end.js';
import { followRequests } from './http/request-trail.js';
import { createSecurityHeaders } from './http/security-headers.js';
import { destinationOf, ROUTE_MARK } from './http/route-access.js';
import { RoutingTable } from './http/routing-table.js';
import { type Certificate, followCertificate, readCertificate, type TlsFiles, tlsOptions } from './http/tls.js';
import { logRequests } from './logging/access-log.js';
import { type Logs, logsThrough, NestLogger } from './logging/logger.js';
import { measureRequests } from './metrics/http-metrics.js';
import { Metrics } from './metrics/metrics.js';
import { buildDocument } from './openapi/openapi-document.js';
import { OpenApiDocument } from './openapi/openapi.controller.js';
import { Redaction } from './redaction/redaction.js';
import { traceRequests } from './tracing/trace-requests.js';
import type { Logger } from 'pino';

const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How often requests are looked at that take too long to come: Node's own 30 s would make the times above mean little. */
const LATE_CHECK_MS = 1_000;
const MOST_LISTENERS = 20;
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
  const { settings, logger, logs = logsThrough(logger) } = ingredients;
  const tls = tlsFiles(settings);
  const headers = { ...createSecurityHeaders({ overTls: tls !== undefined }), 'cache-control': 'no-store' };
  // There is a room for it by the time that anybody can ask.
  const count = (code: ErrorCode): void => app.get(Metrics).errors.inc({ code });
  const answers = new BareAnswers(headers, count);
  const certificate = tls && certificateIn(tls);
  const adapter = new FastifyAdapter(serverOptions(settings, answers, certificate));
  const routes = new RoutingTable();
  const fastify = adapter.getInstance();
  markSwaggerRoutes(fastify);
  routes.watch(fastify);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.register({ ...ingredients, reportsErrors: true }), adapter, {
    logger: new NestLogger(logger),
    bodyParser: false,
    abortOnError: false,
  });
  answerOddRequests(app.getHttpServer(), (socket, error) => answers.refuse(socket, error));
  if (tls && certificate) {
    const metrics = app.get(Metrics);
    showExpiry(metrics, certificate);
    followCertificate(app.getHttpServer(), tls, (outcome) => {
      tellCertificate(logger, outcome);
      showExpiry(metrics, outcome);
    });
  }
  capConnections(app.getHttpServer(), {
    perAddress: settings.CONNECTIONS_PER_ADDRESS,
    exempt: settings.TRUSTED_PROXIES ?? [],
    onRefused: () => app.get(Metrics).connectionsRefused.inc(),
  });
  await addHooks(app, { settings, logs, headers, answers });
  app.useGlobalFilters(new ProblemFilter(logger, count, routes, app.get(ErrorTracker)));
  serveDocumentation(app);
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  refuseUnmarkedRoutes(routes);
  app.get(OpenApiDocument).describe(() => buildDocument(app, routes.routes()));
  return { app, gateway: app.get(Gateway), routes };
}

/** How the framework listens and reads. */
function serverOptions(settings: Settings, answers: BareAnswers, certificate: Certificate | undefined): object {
  const node = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    connectionsCheckingInterval: LATE_CHECK_MS,
    maxHeaderSize: NODE_HEADER_BYTES,
    // Node would refuse such a request with a bare line; a hook does in our words.
    requireHostHeader: false,
  };
  return {
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
    ...(certificate ? { https: { ...node, ...tlsOptions(certificate) } } : { http: node }),
    clientErrorHandler: answers.refuseBytes,
  };
}

function tlsFiles({ TLS_CERT_FILE: certificate, TLS_KEY_FILE: key }: Settings): TlsFiles | undefined {
  return certificate !== undefined && key !== undefined ? { certificate, key } : undefined;
}

/** @throws SettingsError when the files hold none */
function certificateIn(files: TlsFiles): Certificate {
  const certificate = readCertificate(files);
  if (typeof certificate === 'string') throw new SettingsError([`TLS_CERT_FILE and TLS_KEY_FILE: ${certificate}`]);
  return certificate;
}

function tellCertificate(logger: Logger, outcome: Certificate | string): void {
  if (typeof outcome === 'string')
    logger.error(`TLS_CERT_FILE and TLS_KEY_FILE have changed, the old certificate stays in use: ${outcome}`);
  else logger.info({ validTo: outcome.validTo }, 'a new certificate is in use');
}

/** Files that hold none change nothing: the certificate before them stays in use. */
function showExpiry(metrics: Metrics, outcome: Certificate | string): void {
  if (typeof outcome !== 'string') metrics.certificateExpiry.set({ setting: 'TLS_CERT_FILE' }, outcome.validTo.getTime() / 1000);
}

interface Doors {
  readonly settings: Settings;
  readonly logs: Logs;
  /** Of every answer: what a key may read is for no cache; routes whose answers may be kept say so. */
  readonly headers: Readonly<Record<string, string>>;
  readonly answers: BareAnswers;
}

async function addHooks(app: NestFastifyApplication, { settings, logs, headers, answers }: Doors): Promise<void> {
  const fastify = app.getHttpAdapter().getInstance();
  const clock = app.get(Clock);
  const now = () => clock.monotonic();
  const tracer = app.get(Tracer);
  fastify.decorateRequest('context', null as never);
  fastify.decorateRequest('destination', null as never);
  fastify.decorateRequest('principal', undefined);
  fastify.addHook('onRequest', (request, reply, done) => {
    request.context = createRequestContext(request.headers, now(), tracer);
    request.destination = destinationOf(request);
    void reply.headers(headers).header('x-request-id', request.context.requestId);
    // The framework, a streamed body and several of us each want to hear of its end: more than Node's ten are no leak.
    reply.raw.setMaxListeners(MOST_LISTENERS).on('timeout', cutStalled);
    done();
  });
  onRequestEnd(fastify, [
    measureRequests(fastify, app.get(Metrics), now),
    logRequests(logs, app.get(Redaction), clock),
    recordRefusals(app.getHttpServer(), answers, app.get(RefusalLedger)),
    ...(settings.SENTRY_DSN !== undefined && settings.SENTRY_TRACES_SAMPLE_RATE > 0
      ? [reportTransactions(app.get(ErrorTracker), now)]
      : []),
    ...(tracer.isOn ? [traceRequests(fastify, tracer)] : []),
  ]);
  followRequests(fastify);
  fastify.addHook('onRequest', (request, reply, done) => {
    const fault = unanswerable(request);
    if (fault) {
      answers.endAfterThis(request.raw.socket);
      void reply.header('connection', 'close');
    }
    done(fault);
  });
  const refuseBrowsers = createBrowserRule({
    listensOn: settings.HOST,
    allowedHosts: settings.ALLOWED_HOSTS,
    origins: settings.CORS_ORIGINS ?? [],
    proxies: settings.TRUSTED_PROXIES ?? [],
  });
  fastify.addHook('onRequest', (request, _reply, done) => done(refuseBrowsers(request)));
  if (settings.CORS_ORIGINS) {
    // Not strict: what is no preflight would be refused in plain text, and not as a problem.
    await fastify.register(fastifyCors, {
      origin: settings.CORS_ORIGINS,
      methods: BROWSER_METHODS,
      strictPreflight: false,
      allowedHeaders: BROWSER_HEADERS,
      exposedHeaders: EXPOSED_HEADERS,
    });
  }
  guardRoutes(fastify, { gate: app.get(AccessGate), answers: app.get(OpenAnswers), settings });
  acceptJsonBodies(fastify);
  unwrapAnswers(fastify);
}

/** The connection has been silent for {@link STALLED_MS}: while a run is waited for it may be, with bytes that nobody takes it may not. */
function cutStalled(socket: Socket): void {
  if (socket.writableLength > 0) socket.destroy();
}

/** Requests that go no further: with a frame not to be trusted, or read after their client left, whose address is then unknown. */
function unanswerable({ raw }: FastifyRequest): GatewayError | undefined {
  return framingFault(raw) ?? (raw.socket.remoteAddress === undefined ? clientLeft() : undefined);
}

const BROWSER_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
const BROWSER_HEADERS = [
  'X-API-Key',
  'Authorization',
  'Content-Type',
  'Prefer',
  'Idempotency-Key',
  'Last-Event-ID',
  'X-Request-Id',
  'traceparent',
  'tracestate',
];
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
