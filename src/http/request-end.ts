import type { FastifyInstance, FastifyRequest } from 'fastify';
import { GatewayError } from '../domain/errors.js';

/** What log and metrics show for a request whose client left before its answer began; nginx's number, for HTTP has none. */
const CLIENT_LEFT = 499;

/**
 * Calls `listener` once when a request is over: its answer is out, or its client has left. The framework's own hook for this
 * (`onResponse`) hears nothing of the latter.
 */
export function onRequestEnd(fastify: FastifyInstance, listener: (request: FastifyRequest, status: number) => void): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.raw.once('close', () => listener(request, reply.raw.headersSent ? reply.statusCode : CLIENT_LEFT));
    done();
  });
}

/** What becomes of a request whose client is gone: nobody reads it, log and metrics count it. */
export function clientLeft(cause?: unknown): GatewayError {
  return new GatewayError('malformed_request', 'The client left before its answer began.', { cause });
}
