import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import type { BareAnswers } from '../http/bare-answers.js';
import type { RequestEndListener } from '../http/request-end.js';
import type { RefusalLedger } from './refusal-ledger.js';

const ANONYMOUS = 'anonymous';
const READS = new Set(['GET', 'HEAD', 'OPTIONS']);
/** What was no request that could be read. */
const UNREAD = { principalId: ANONYMOUS, method: '-', route: 'unmatched' };

/**
 * Sees to it that every request which is not exempt has a trail: what left no entry of its own and was refused, or was answered and is
 * no read, is noted when it is over. `docs/audit.md` has the list.
 */
export function recordRefusals(server: Server, answers: BareAnswers, ledger: RefusalLedger): RequestEndListener {
  const known = new WeakSet<Socket>();
  const follow = (stream: Duplex) => {
    const socket = stream as Socket;
    if (known.has(socket)) return;
    known.add(socket);
    const address = socket.remoteAddress ?? '';
    // A request that was under way on this connection ends first, and takes the answer for its own.
    socket.once('close', () => {
      const problem = answers.take(socket);
      if (problem) ledger.note({ ...UNREAD, address, status: problem.status, code: problem.code, requestId: problem.requestId });
    });
  };
  server.on('clientError', (_error, stream) => follow(stream));
  server.on('connect', (_request, stream) => follow(stream));
  return (request, status) => {
    if (status < 400 && READS.has(request.method)) return;
    const { context, destination } = request;
    // Probes say no for as long as a gateway starts or drains, to somebody who only looks.
    if (context.recorded || isProbe(destination)) return;
    const bare = status < 400 ? undefined : answers.take(request.raw.socket);
    ledger.note({
      ...originOf(request),
      status: bare?.status ?? status,
      code: bare?.code ?? context.problem,
      requestId: context.requestId,
    });
  };
}

function isProbe({ mark }: FastifyRequest['destination']): boolean {
  return mark?.unlimited === true && mark.access === 'public';
}

function originOf({ principal, method, destination, ip }: FastifyRequest) {
  return { principalId: principal?.id ?? ANONYMOUS, method, route: destination.template, address: ip };
}
