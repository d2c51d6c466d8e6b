import type { FailureCause } from './failure.js';

/**
 * Every way the gateway can refuse, as a closed list: code → HTTP status and title.
 * `docs/errors.md` explains each code; a test holds the two lists against each other in both directions.
 */
export const ERRORS = {
  malformed_request: { status: 400, title: 'The request cannot be read' },
  body_too_deep: { status: 400, title: 'The request body nests too deep' },
  body_too_wide: { status: 400, title: 'An object or array of the request body is too large' },
  invalid_request: { status: 400, title: 'The request does not match its schema' },
  invalid_arguments: { status: 400, title: 'The arguments do not match the declaration of the command' },
  unauthenticated: { status: 401, title: 'A valid API key is required' },
  forbidden: { status: 403, title: 'This key may not do that' },
  origin_refused: { status: 403, title: 'Pages of that origin may not call' },
  blocked: { status: 403, title: 'The tripwire stopped this' },
  approval_denied: { status: 403, title: 'The run was not approved' },
  approval_impossible: { status: 403, title: 'The run needs an approval that nobody can give here' },
  not_found: { status: 404, title: 'There is nothing here' },
  command_unknown: { status: 404, title: 'No such command' },
  run_unknown: { status: 404, title: 'No such run' },
  agent_unknown: { status: 404, title: 'No such agent' },
  plan_unknown: { status: 404, title: 'No such plan' },
  freeze_unknown: { status: 404, title: 'No such freeze' },
  key_unknown: { status: 404, title: 'No such key' },
  secret_unknown: { status: 404, title: 'No such secret' },
  breaker_unknown: { status: 404, title: 'No such circuit breaker' },
  method_not_allowed: { status: 405, title: 'This address does not take that method' },
  not_acceptable: { status: 406, title: 'No representation of that media type' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  conflict: { status: 409, title: 'The request conflicts with the present state' },
  agent_busy: { status: 409, title: 'The agent is at work on another instruction' },
  agent_dead: { status: 409, title: 'The agent has ended' },
  plan_void: { status: 409, title: 'What was planned is not what would run now' },
  approval_expired: { status: 409, title: 'Nobody approved the run in time' },
  payload_too_large: { status: 413, title: 'The request body is too large' },
  uri_too_long: { status: 414, title: 'The address is too long' },
  unsupported_media_type: { status: 415, title: 'The request body has an unsupported media type' },
  host_refused: { status: 421, title: 'This gateway does not answer to that name' },
  frozen: { status: 423, title: 'An admin has frozen this' },
  configuration_mistaken: { status: 422, title: 'The configuration has mistakes; the last good one stays' },
  idempotency_mismatch: { status: 422, title: 'This idempotency key was used with another request' },
  rate_limited: { status: 429, title: 'Too many requests' },
  budget_used_up: { status: 429, title: 'The key has had all its runs' },
  headers_too_large: { status: 431, title: 'The request headers are too large' },
  internal: { status: 500, title: 'Something went wrong on our side' },
  not_implemented: { status: 501, title: 'The server does not implement that' },
  busy: { status: 503, title: 'All slots and queue places are taken' },
  draining: { status: 503, title: 'The gateway is shutting down' },
  storage_unavailable: { status: 503, title: 'The store cannot be written' },
  outcome_unrecorded: { status: 503, title: 'The run has ended, but that is not recorded yet' },
  breaker_open: { status: 503, title: 'The circuit breaker is open' },
  secret_missing: { status: 503, title: 'A secret that the command needs is not set' },
  secrets_unreadable: { status: 503, title: 'The stored secrets cannot be decrypted' },
  counters_unavailable: { status: 503, title: 'Requests cannot be counted' },
  executor_unavailable: { status: 503, title: 'The executor cannot take work' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** One thing wrong with the request. `path` is dotted (`args.count`, `items.2.command`); `message` never repeats the value. */
export interface FieldError {
  readonly path: string;
  readonly message: string;
}

/**
 * Why a caller may not have what was asked. The wire form is RFC 9457 (`application/problem+json`).
 * `detail` and `errors` are shown to callers: no secret, no value of an argument, no stack, no path of the host.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';

  constructor(
    readonly code: ErrorCode,
    detail: string,
    readonly extra: {
      readonly errors?: readonly FieldError[];
      /** Whole seconds, for the `Retry-After` header. */
      readonly retryAfterSeconds?: number;
      /** Methods for the `Allow` header of `method_not_allowed`. */
      readonly allow?: readonly string[];
      /** The run that this is about, where there is one. */
      readonly runId?: string;
      /** Of a write: it may have been carried out all the same. */
      readonly inDoubt?: boolean;
      /** Nothing but a restart of the gateway will help. */
      readonly untilRestart?: boolean;
      /** What went wrong at the other side, where this is about one: whether it is tried again follows from it. */
      readonly failure?: FailureCause;
      /** Of text that means no command: one that it may mean, as a plan that its caller may run. */
      readonly proposal?: Proposal;
      /** Nobody is there any more to read the answer. */
      readonly unread?: true;
      /** What really happened, for the log only. */
      readonly cause?: unknown;
    } = {},
  ) {
    super(detail, extra.cause === undefined ? undefined : { cause: extra.cause });
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** What callers, logs and traces are told of it: whatever is no refusal is a mistake of ours. */
export function codeOf(thrown: unknown): ErrorCode {
  return thrown instanceof GatewayError ? thrown.code : 'internal';
}

/** A command that somebody may have meant. Nothing was run: `POST /run {planId}` does that. */
export interface Proposal {
  readonly command: string;
  /** Checked, defaults filled in. */
  readonly args: Readonly<Record<string, unknown>>;
  readonly planId: string;
}

/** RFC 9457 problem document: what every refusal looks like on the wire, as a reply or as an item of a batch. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly requestId: string;
  /** 32 hex digits, where it answers a request. */
  readonly traceId?: string;
  readonly runId?: string;
  readonly errors?: readonly FieldError[];
  readonly proposal?: Omit<Proposal, 'planId'>;
  readonly planId?: string;
}

/** Where the meaning of a code is explained; the `type` member of its problems. */
export function problemType(code: ErrorCode): string {
  return `urn:sallyport:error:${code}`;
}

/** Any thrown thing as the problem a caller may see. Unknown things become `internal` and say nothing else. */
export function toProblem(thrown: unknown, requestId: string, traceId?: string): Problem {
  const error = thrown instanceof GatewayError ? thrown : new GatewayError('internal', 'The error is logged under this request id.');
  return {
    type: problemType(error.code),
    title: ERRORS[error.code].title,
    status: error.status,
    code: error.code,
    detail: error.message,
    requestId,
    ...(traceId === undefined ? {} : { traceId }),
    ...(error.extra.runId === undefined ? {} : { runId: error.extra.runId }),
    ...(error.extra.errors?.length ? { errors: error.extra.errors } : {}),
    ...(error.extra.proposal ? proposed(error.extra.proposal) : {}),
  };
}

function proposed({ command, args, planId }: Proposal): Pick<Problem, 'proposal' | 'planId'> {
  return { proposal: { command, args }, planId };
}
