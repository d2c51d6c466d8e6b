import type { FastifyInstance } from 'fastify';
import type { Settings } from '../config/settings.schema.js';
import type { RouteMark } from '../http/route-access.js';
import type { Access, AccessGate } from './access-gate.js';
import type { OpenAnswers } from './open-answers.js';

/** What stands at the door, and what looks after those who are in. */
export interface Guards {
  readonly gate: AccessGate;
  readonly answers: OpenAnswers;
  readonly settings: AccessSettings;
}

type AccessSettings = Pick<Settings, 'METRICS_ACCESS' | 'DOCS_ACCESS'>;

/**
 * Puts the gate in front of every route, before its body is read: routes of controllers, of plugins, and addresses that lead
 * nowhere (which cost their address a request, so that probing for routes is slowed down).
 */
export function guardRoutes(fastify: FastifyInstance, { gate, answers, settings }: Guards): void {
  fastify.addHook('onRequest', async (request, reply) => {
    const { destination } = request;
    const mark = destination.isRoute ? destination.mark : UNROUTED;
    const principal = await gate.enter({
      access: accessOf(mark, settings),
      rawHeaders: request.raw.rawHeaders,
      address: request.ip,
      exempt: mark?.unlimited === true,
      identify: (principal) => void (request.principal = principal),
      announce: (headers) => void reply.headers(headers),
    });
    if (!principal) return;
    request.principal = principal;
    answers.watch(reply.raw, principal);
  });
}

const UNROUTED: RouteMark = { access: 'public' };

/** What the mark means under these settings; undefined when nothing is declared. */
function accessOf(mark: RouteMark | undefined, settings: AccessSettings): Access | undefined {
  if (typeof mark?.access !== 'object') return mark?.access;
  return settings[mark.access.setting] === 'public' ? 'optional' : 'readonly';
}
