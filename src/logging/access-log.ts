import type { Logger } from 'pino';
import type { RequestEndListener } from '../http/request-end.js';
import { sanitiseLogText } from '../redaction/for-people.js';

const USER_AGENT_LENGTH = 200;

/** One line a request, when it is over. Names the route's template, never the raw address: ids stay, secrets in queries don't. */
export function logRequests(logger: Logger, now: () => number): RequestEndListener {
  return (request, status) => {
    if (!logger.isLevelEnabled('info')) return;
    const agent = request.headers['user-agent'];
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
        user_agent: agent === undefined ? undefined : sanitiseLogText(agent, USER_AGENT_LENGTH),
      },
      'request',
    );
  };
}
