import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatewayError } from '../domain/errors.js';
import type { IdempotencyKey } from '../domain/idempotency.js';
import type { Principal } from '../domain/principal.js';
import { type Caching, parseCacheControl } from './cache-control.js';
import { parseIdempotencyKey } from './idempotency-key.js';
import type { RequestContext } from './request-context.js';

/**
 * The one place that looks behind Nest's arguments, so that controllers see our words only. By place: `switchToHttp` would make three
 * functions for each parameter of each request.
 */
function request(context: ExecutionContext): FastifyRequest {
  return context.getArgByIndex<FastifyRequest>(0);
}

function callerOf({ principal }: FastifyRequest): Principal {
  if (!principal) throw new GatewayError('unauthenticated', 'A valid API key is required.');
  return principal;
}

/** The authenticated caller of the route. */
export const Caller = createParamDecorator((_data: undefined, context: ExecutionContext): Principal => callerOf(request(context)));

/** The caller where a key is optional. */
export const OptionalCaller = createParamDecorator(
  (_data: undefined, context: ExecutionContext): Principal | undefined => request(context).principal,
);

/** Request id and trace of the request. */
export const Context = createParamDecorator((_data: undefined, context: ExecutionContext): RequestContext => request(context).context);

/** A route, by its method and template. */
export interface Door {
  readonly method: string;
  readonly route: string;
}

/** Who asks, under which request, and by which name of the caller's own for it. */
export interface RequestOrigin {
  readonly principal: Principal;
  readonly requestId: string;
  readonly traceparent: string;
  /** The door that it came through; absent at the command line. */
  readonly door?: Door;
  readonly idempotencyKey?: IdempotencyKey | undefined;
  readonly caching?: Caching | undefined;
}

/** The origin of a request that may be given an idempotency key. */
export const Origin = createParamDecorator((_data: undefined, context: ExecutionContext): RequestOrigin => {
  const asked = request(context);
  const { requestId, traceparent } = asked.context;
  // Node joins a header that came twice with `, `, which no key holds.
  const idempotencyKey = parseIdempotencyKey(asked.headers['idempotency-key'] as string | undefined);
  const door = { method: asked.method, route: asked.destination.template };
  const caching = parseCacheControl(asked.headers['cache-control']);
  return { principal: callerOf(asked), requestId, traceparent, door, idempotencyKey, caching };
});

/** The connection under the request, to notice when the client is gone. */
export const Connection = createParamDecorator((_data: undefined, context: ExecutionContext): ClientConnection => {
  const { raw } = context.getArgByIndex<FastifyReply>(1);
  // One listener for all: each item of a batch asks.
  const listeners: (() => void)[] = [];
  const tell = () => {
    if (!raw.writableFinished) for (const listener of listeners.splice(0)) listener();
  };
  return {
    onGone(listener) {
      if (listeners.push(listener) === 1 && !raw.destroyed) raw.once('close', tell);
      if (raw.destroyed) tell();
    },
  };
});

export interface ClientConnection {
  /** Calls `listener` once when the client leaves before it has its answer. */
  onGone(listener: () => void): void;
}

/** Sets a header of the answer that is to come, be it a stream or a refusal. */
export type SetAnswerHeader = (name: string, value: string) => void;

export const AnswerHeader = createParamDecorator((_data: undefined, context: ExecutionContext): SetAnswerHeader => {
  const reply = context.switchToHttp().getResponse<FastifyReply>();
  return (name, value) => void reply.header(name, value);
});

/** Where the caller reaches the gateway, as far as its request tells: `http://127.0.0.1:8080`. */
export const BaseUrl = createParamDecorator((_data: undefined, context: ExecutionContext): string => {
  const { protocol, host } = request(context);
  return `${protocol}://${/^[\w.:[\]-]{1,255}$/.test(host) ? host : 'localhost'}`;
});
