import { CALL_FAULTS, type CallFault } from '../domain/outgoing.js';

/**
 * A call that came to no answer, or to none that is whole. Carries nothing of the address, the headers or the body.
 * Never seen by callers of the gateway: whoever makes the call turns it into what it means there.
 */
export class CallFailure extends Error {
  override readonly name = 'CallFailure';

  constructor(
    readonly fault: CallFault,
    /** Whether a connection was made: then the service may have got the request, and acted on it. */
    readonly sent: boolean,
    /** The system's or the library's word for it, such as `ECONNREFUSED`. */
    readonly code: string | null = null,
  ) {
    super(code === null ? CALL_FAULTS[fault] : `${CALL_FAULTS[fault]} (${code})`);
  }
}

/** What is known of a call when something goes wrong with it. */
export interface CallState {
  /** The rules refused an address. */
  readonly refused: boolean;
  readonly connected: boolean;
  /** Something was sent before, by a call that redirected. */
  readonly sentBefore: boolean;
  /** It was ended by the caller's own signal. */
  readonly ended: boolean;
  /** It was ended because its time was over. */
  readonly late: boolean;
}

/** Anything that the layers below throw, as what it means. */
export function callFailure(thrown: unknown, state: CallState): CallFailure {
  if (thrown instanceof CallFailure) return thrown;
  const code = codeOf(thrown);
  return new CallFailure(faultOf(code ?? '', state), state.connected || state.sentBefore, state.ended || state.late ? null : code);
}

function faultOf(code: string, { refused, connected, ended, late }: CallState): CallFault {
  if (refused) return 'forbidden';
  if (ended) return 'ended';
  if (late || TIMEOUTS.has(code)) return 'timeout';
  if (connected) return CUT_OFF.has(code) ? 'cut_off' : 'unreadable';
  if (UNRESOLVED.has(code)) return 'unresolved';
  return UNREACHABLE.has(code) ? 'unreachable' : 'untrusted';
}

const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT']);
const UNRESOLVED = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'ENODATA']);
const UNREACHABLE = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL'],
  ...['EACCES', 'EPERM', 'EPIPE', 'EINVAL', 'EMFILE', 'ENFILE', 'UND_ERR_SOCKET'],
]);

/** The connection's end, in the middle of the head, of what has a length, of pieces, of what is packed. */
const CUT_OFF = new Set([
  'UND_ERR_SOCKET',
  'ECONNRESET',
  'EPIPE',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'HPE_INVALID_EOF_STATE',
  'Z_BUF_ERROR',
]);

/** What the parser says, without a code, of a connection that ends in the middle of a body in pieces. */
const EARLY_END = /\(Invalid EOF state\)$/;

function codeOf(thrown: unknown): string | null {
  if (thrown instanceof Error && thrown.name === 'HTTPParserError' && EARLY_END.test(thrown.message)) return 'HPE_INVALID_EOF_STATE';
  const code = typeof thrown === 'object' && thrown !== null && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? code : null;
}
