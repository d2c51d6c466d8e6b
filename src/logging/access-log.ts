import type { Logger } from 'pino';
import type { RequestEndListener } from '../http/request-end.js';

const USER_AGENT_LENGTH = 200;
/** JSON escapes those below the blank; these it lets through, and there are terminals that obey them. */
const CONTROLS = /[\u007f-\u009f]/g;

/** One line a request, when it is over. Names the route's template, never the raw address: ids stay, secrets in queries don't. */
export function logRequests(logger: Logger, now: () => number): RequestEndListener {
  return (request, status) => {
    if (!logger.isLevelEnabled('info')) return;
    logger.info(
      {
        request_id: request.context.requestId,
        trace_id: request.context.traceId,
        method: request.method,
        route: request.destination.template,
        status,
        latency_ms: Math.round((now() - request.context.startedAt) * 1000) / 1000,
        key_id: request.principal?.id,
        address: request.ip,
        user_agent: request.headers['user-agent']?.slice(0, USER_AGENT_LENGTH).replace(CONTROLS, '?'),
      },
      'request',
    );
  };
}
