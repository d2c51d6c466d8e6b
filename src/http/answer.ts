import type { FastifyInstance } from 'fastify';

/** What a handler returns when status or headers depend on what happened. Anything else is a 200 with that body. */
export class Answer<Body> {
  constructor(
    readonly status: number,
    readonly body: Body,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {}
}

/** Unwraps {@link Answer}s, so that handlers need no hold of the reply. */
export function unwrapAnswers(fastify: FastifyInstance): void {
  fastify.addHook('preSerialization', (_request, reply, payload, done) => {
    if (!(payload instanceof Answer)) return done(null, payload);
    void reply.code(payload.status).headers(payload.headers);
    done(null, payload.body);
  });
}
