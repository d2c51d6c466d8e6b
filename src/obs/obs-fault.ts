/** Why there is no connection, in words that callers may read: no address, no password. */
export interface ObsFault {
  readonly kind: 'fault';
  readonly reason: string;
  /** Whether another try soon may end otherwise. */
  readonly mayPass: boolean;
}

/** How far a try to connect had come, and what ended it. */
export interface FailedTry {
  readonly error: unknown;
  /** Whether anything had answered. */
  readonly opened: boolean;
  /** Milliseconds after which it was given up. */
  readonly gaveUpAfterMs: number | undefined;
}

/** Close codes of obs-websocket 5 (`WebSocketCloseCode` of its protocol). */
const AUTHENTICATION_FAILED = 4009;
const UNSUPPORTED_RPC_VERSION = 4010;

export function faultOf({ error, opened, gaveUpAfterMs }: FailedTry): ObsFault {
  if (gaveUpAfterMs !== undefined) return fault(`OBS cannot be reached: no answer from OBS_URL within ${gaveUpAfterMs / 1000} s.`, false);
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  if (code === AUTHENTICATION_FAILED) return fault('OBS refuses the password: look at OBS_PASSWORD.', false);
  if (code === UNSUPPORTED_RPC_VERSION) return fault('OBS does not speak obs-websocket 5.', false);
  const text = typeof message === 'string' ? message : '';
  if (/unexpected server response|subprotocol/i.test(text)) return fault('What answers at OBS_URL is not obs-websocket 5.', false);
  if (/certificate|self.signed|altnames|TLS|SSL/i.test(text))
    return fault('OBS cannot be reached: its certificate is not accepted.', false);
  if (/ENOTFOUND|EAI_AGAIN/.test(text)) return fault('OBS cannot be reached: the name in OBS_URL is not known.', true);
  if (opened) return fault('OBS cannot be reached: it closed the connection at its start.', true);
  return fault('OBS cannot be reached: nothing answers at OBS_URL. Is it running, with its WebSocket server on?', true);
}

function fault(reason: string, mayPass: boolean): ObsFault {
  return { kind: 'fault', reason, mayPass };
}
