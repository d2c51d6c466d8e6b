import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';

const USER_AGENT_LENGTH = 200;

/** One line a request, when its answer is out. Names the route's template, never the raw address: ids stay, secrets in queries don't. */
export function logRequests(fastify: FastifyInstance, logger: Logger, now: () => number): void {
  if (!logger.isLevelEnabled('info')) return;
  fastify.addHook('onResponse', (request, reply, done) => {
    logger.info(
      {
        request_id: request.context.requestId,
        trace_id: request.context.traceId,
        method: request.method,
        route: request.routeOptions.url ?? 'unmatched',
        status: reply.statusCode,
        latency_ms: Math.round((now() - request.context.startedAt) * 1000) / 1000,
        key_id: request.principal?.id,
        address: request.ip,
        user_agent: request.headers['user-agent']?.slice(0, USER_AGENT_LENGTH),
      },
      'request',
    );
    done();
  });
}
