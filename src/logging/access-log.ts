import type { FastifyRequest } from 'fastify';
import type { Clock } from '../domain/ports.js';
import type { RequestEndListener } from '../http/request-end.js';
import type { Redaction } from '../redaction/redaction.js';
import type { Logs } from './logger.js';
import { StrangerTexts } from './stranger-texts.js';

const LONGEST_AGENT = 200;
const LONGEST_ADDRESS = 64;
const LONGEST_ID = 64;
/** As we make them. Others come from clients, who put into them what they like. */
const OWN_REQUEST_ID = /^req_[0-9a-f]{32}$/;

/**
 * One line a request, when it is over. Names the route's template, never the raw address: ids stay, secrets in queries don't.
 *
 * Written without pino, which would make and look through the whole line each time: of its fields only a client's own request id, its
 * address (a proxy passes on any text) and its user agent can hold what somebody wrote; the others are digits, ids and names of ours.
 */
export function logRequests({ logger, requests }: Logs, redaction: Redaction, clock: Clock): RequestEndListener {
  const write = lineWriter(redaction, clock);
  return (request, status) => {
    if (!logger.isLevelEnabled('info')) return;
    const instant = clock.now();
    requests.write(write(request, status, instant), instant);
  };
}

function lineWriter(redaction: Redaction, clock: Clock): (request: FastifyRequest, status: number, instant: string) => string {
  const agents = new StrangerTexts(redaction, LONGEST_AGENT);
  const addresses = new StrangerTexts(redaction, LONGEST_ADDRESS);
  const ids = new StrangerTexts(redaction, LONGEST_ID);
  return (request, status, instant) => {
    const { requestId, traceId, startedAt } = request.context;
    const id = OWN_REQUEST_ID.test(requestId) ? `"${requestId}"` : ids.jsonOnce(requestId);
    const latency = Math.round((clock.monotonic() - startedAt) * 1000) / 1000;
    const agent = request.headers['user-agent'];
    // Unknown when the client has left before its request was read.
    const address: string | undefined = request.ip;
    const key = request.principal?.id;
    return (
      `{"level":"info","time":"${instant}","request_id":${id},"trace_id":"${traceId}"` +
      `,"method":"${request.method}","route":${JSON.stringify(request.destination.template)},"status":${status},"latency_ms":${latency}` +
      `${key === undefined ? '' : `,"key_id":"${key}"`}${address === undefined ? '' : `,"address":${addresses.json(address)}`}` +
      `${agent === undefined ? '' : `,"user_agent":${agents.json(agent)}`},"message":"request"}\n`
    );
  };
}
