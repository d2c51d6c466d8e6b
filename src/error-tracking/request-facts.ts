import type { FastifyRequest } from 'fastify';
import type { ErrorTracker, RequestFacts } from '../domain/error-tracker.js';
import type { RequestEndListener } from '../http/request-end.js';

/** Of a request what may be told about it. */
export function factsOf({ context, method, destination, principal }: FastifyRequest): RequestFacts {
  return {
    requestId: context.requestId,
    traceId: context.traceId,
    method,
    route: destination.template,
    command: context.command,
    keyId: principal?.id,
  };
}

/** Hands those requests that are sampled to the tracker when they are over. Probes are no news. */
export function reportTransactions(tracker: ErrorTracker, now: () => number): RequestEndListener {
  return (request, status) => {
    if (request.destination.mark?.unlimited || !tracker.samples()) return;
    const { traceparent, startedAt } = request.context;
    tracker.trace({ ...factsOf(request), spanId: traceparent.slice(36, 52), status, durationMs: now() - startedAt });
  };
}
