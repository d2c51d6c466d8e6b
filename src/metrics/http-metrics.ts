import type { FastifyInstance } from 'fastify';
import type { RequestEndListener } from '../http/request-end.js';
import type { Metrics } from './metrics.js';

/**
 * Counts and times every request. In the server's own hooks instead of an interceptor: it sees refusals and unmatched
 * routes too, and costs a twentieth of the throughput instead of a third. Label children are bound once a series.
 * @returns what must hear of every request's end
 */
export function measureRequests(fastify: FastifyInstance, metrics: Metrics, now: () => number): RequestEndListener {
  const series = new Map<string, (seconds: number) => void>();

  fastify.addHook('onRequest', (_request, _reply, done) => {
    metrics.httpInFlight.inc();
    done();
  });

  return (request, status) => {
    metrics.httpInFlight.dec();
    const route = request.destination.template;
    const key = `${request.method} ${status} ${route}`;
    let observe = series.get(key);
    if (!observe) series.set(key, (observe = bind(metrics, request.method, route, status)));
    observe((now() - request.context.startedAt) / 1000);
  };
}

function bind(metrics: Metrics, method: string, route: string, status: number): (seconds: number) => void {
  const count = metrics.httpRequests.labels({ method, route, status });
  const duration = metrics.httpDuration.labels({ method, route });
  return (seconds) => {
    count.inc();
    duration.observe(seconds);
  };
}
