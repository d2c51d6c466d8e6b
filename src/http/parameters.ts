import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../domain/errors.js';
import type { Principal } from '../domain/principal.js';
import type { RequestContext } from './request-context.js';

/**
 * The one place that looks behind Nest's arguments, so that controllers see our words only. By place: `switchToHttp` would make three
 * functions for each parameter of each request.
 */
function request(context: ExecutionContext): FastifyRequest {
  return context.getArgByIndex<FastifyRequest>(0);
}

/** The authenticated caller of the route. */
export const Caller = createParamDecorator((_data: undefined, context: ExecutionContext): Principal => {
  const { principal } = request(context);
  if (!principal) throw new GatewayError('unauthenticated', 'A valid API key is required.');
  return principal;
});

/** The caller where a key is optional. */
export const OptionalCaller = createParamDecorator(
  (_data: undefined, context: ExecutionContext): Principal | undefined => request(context).principal,
);

/** Request id and trace of the request. */
export const Context = createParamDecorator((_data: undefined, context: ExecutionContext): RequestContext => request(context).context);

/** The connection under the request, to notice when the client is gone. */
export const Connection = createParamDecorator((_data: undefined, context: ExecutionContext): ClientConnection => {
  const { raw } = context.getArgByIndex<FastifyReply>(1);
  return {
    onGone(listener) {
      const closed = () => {
        if (!raw.writableFinished) listener();
      };
      if (raw.destroyed) closed();
      else raw.once('close', closed);
    },
  };
});

export interface ClientConnection {
  /** Calls `listener` once when the client leaves before it has its answer. */
  onGone(listener: () => void): void;
}

/** Where the caller reaches the gateway, as far as its request tells: `http://127.0.0.1:8080`. */
export const BaseUrl = createParamDecorator((_data: undefined, context: ExecutionContext): string => {
  const { protocol, host } = request(context);
  return `${protocol}://${/^[\w.:[\]-]{1,255}$/.test(host) ? host : 'localhost'}`;
});
