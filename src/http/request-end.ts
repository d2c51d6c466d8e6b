import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GatewayError } from '../domain/errors.js';

/** What log and metrics show for a request whose client left before its answer began; nginx's number, for HTTP has none. */
export const CLIENT_LEFT = 499;

/** Hears of a request that is over, and of the status that it was answered with. */
export type RequestEndListener = (request: FastifyRequest, status: number) => void;

/**
 * Calls the listeners, in order, once when a request is over: its answer is out, or its client has left. The framework's own hook
 * for this (`onResponse`) hears nothing of the latter.
 */
export function onRequestEnd(fastify: FastifyInstance, listeners: readonly RequestEndListener[]): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.raw.once('close', () => {
      const status = reply.raw.headersSent ? reply.statusCode : CLIENT_LEFT;
      for (const listener of listeners) listener(request, status);
    });
    done();
  });
}

/** What becomes of a request whose client is gone: nobody reads it, log and metrics count it. */
export function clientLeft(cause?: unknown): GatewayError {
  return new GatewayError('malformed_request', 'The client left before its answer began.', { cause, unread: true });
}
