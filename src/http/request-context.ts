import type { IncomingHttpHeaders } from 'node:http';
import { V7Generator } from 'uuidv7';
import type { CommandName } from '../domain/command.js';
import type { ErrorCode } from '../domain/errors.js';
import type { Principal } from '../domain/principal.js';
import { NO_SPAN, NO_TRACER, type Span, type SpanKind, type TraceOrigin, type Tracer } from '../domain/tracing.js';
import { randomHex, randomUint32 } from './random-pool.js';

/** What follows one request through the house: into logs, problems, runs, audit and the children's environment. */
export interface RequestContext {
  readonly requestId: string;
  /** 32 hex digits. */
  readonly traceId: string;
  /** W3C trace context of our own span: `00-<trace>-<span>-<flags>`. */
  readonly traceparent: string;
  /** Our part of the trace. */
  readonly span: Span;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** The code of the problem that it was answered with. */
  problem: ErrorCode | undefined;
  /** Whether the audit log holds an entry about it. */
  recorded: boolean;
  /** The command that it led to, once its caller was found to be allowed to use it; of a batch the last one. */
  command: CommandName | undefined;
}

declare module 'fastify' {
  interface FastifyRequest {
    context: RequestContext;
    /** Set by the gate; absent on public routes. */
    principal?: Principal;
  }
}

/** Not a key of ours that was put into the wrong header: ids are logged and stored. */
const CLIENT_REQUEST_ID = /^(?!.*slp_\w{12}_)[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/**
 * The caller's own `X-Request-Id` when it is short and plain, else a new one; its trace continued when `traceparent` is valid
 * (W3C Trace Context level 1), else a new unsampled trace.
 */
export function createRequestContext(
  headers: IncomingHttpHeaders,
  startedAt: number,
  tracer: Tracer = NO_TRACER,
  kind: SpanKind = 'server',
): RequestContext {
  const given = headers['x-request-id'];
  const trace = typeof headers['traceparent'] === 'string' ? TRACEPARENT.exec(headers['traceparent']) : null;
  const random = randomHex(24);
  const traceId = trace?.[1] ?? random.slice(0, 32);
  const span = tracer.isOn ? tracer.begin({ traceId, caller: trace ? callerOf(trace, headers['tracestate']) : undefined }, kind) : NO_SPAN;
  return {
    requestId: typeof given === 'string' && CLIENT_REQUEST_ID.test(given) ? given : newId('req'),
    traceId,
    traceparent: span.traceparent ?? `00-${traceId}-${random.slice(32)}-${trace?.[3] ?? '00'}`,
    span,
    startedAt,
    problem: undefined,
    recorded: false,
    command: undefined,
  };
}

/** 32 hex digits. */
export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}

function callerOf([, , spanId = '', flags = '']: RegExpExecArray, state: string | string[] | undefined): TraceOrigin['caller'] {
  // Node knows no header of that name to come once, and joins several with `, `.
  return { spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1, state: typeof state === 'string' ? state : undefined };
}

/** A time-ordered id: the prefix and a UUIDv7 without dashes. */
export function newId(prefix: 'req' | 'run' | 'plan' | 'frz' | 'agt'): string {
  ID_BYTES.set(ids.generate().bytes);
  return `${prefix}_${ID_BYTES.toString('hex')}`;
}

const ID_BYTES = Buffer.alloc(16);
const ids = new V7Generator({ nextUint32: randomUint32 });
