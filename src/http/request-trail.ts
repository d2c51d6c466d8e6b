import { AsyncLocalStorage } from 'node:async_hooks';
import type { FastifyInstance } from 'fastify';
import type { CommandName } from '../domain/command.js';
import type { RequestContext } from './request-context.js';

const current = new AsyncLocalStorage<RequestContext>();

/**
 * Lets whatever a handler does be known as done for its request, however deep. Its id would not do: callers choose ids, and two requests
 * may have the same. As late as this, because a body that comes in pieces begins a context of its own.
 */
export function followRequests(fastify: FastifyInstance): void {
  fastify.addHook('preHandler', (request, _reply, done) => current.run(request.context, done));
}

/** An entry of the audit log is durable: it is about the request that is being handled, if one is. */
export function noteRecorded(): void {
  const context = current.getStore();
  if (context) context.recorded = true;
}

/** The request that is being handled, if one is, leads to this command. */
export function noteCommand(command: CommandName): void {
  const context = current.getStore();
  if (context) context.command = command;
}
