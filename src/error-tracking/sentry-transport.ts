import { createTransport, type NodeClient } from '@sentry/node';
import type { Redaction } from '../redaction/redaction.js';
import type { AllowedEnvelope, Envelope } from './allowed-envelope.js';

/** How long the peer may take to answer. */
const ANSWER_MS = 5_000;
const TOO_MANY_REQUESTS = 429;

type MakeTransport = ConstructorParameters<typeof NodeClient>[0]['transport'];
type Options = Parameters<MakeTransport>[0];
type Transport = ReturnType<MakeTransport>;
type SdkEnvelope = Parameters<Transport['send']>[0];
type Answer = Awaited<ReturnType<Transport['send']>>;

export interface TransportRooms {
  readonly filter: (envelope: Envelope) => AllowedEnvelope;
  readonly redaction: Redaction;
  /** Hears what became of each event and transaction. */
  readonly onEnd: (end: 'sent' | 'dropped' | 'failed') => void;
  /** Aborted, nothing is waited for any longer. */
  readonly closed: AbortSignal;
}

/**
 * The only way out of the SDK: whatever it sends is made anew from what is allowed, then redacted. Queue (64 envelopes), back-off and
 * rate limits are the SDK's own.
 */
export function createAllowListTransport(options: Options, { filter, redaction, onEnd, closed }: TransportRooms): Transport {
  const inner = createTransport(options, ({ body }) => post(options, body, closed));
  return {
    async send(envelope) {
      const allowed = filter(envelope);
      if (allowed[1].length === 0) return {};
      const reports = allowed[1].filter(([{ type }]) => type !== 'client_report');
      const tell = (end: Parameters<typeof onEnd>[0]) => reports.forEach(() => onEnd(end));
      try {
        const answer = await inner.send(redaction.data(allowed) as SdkEnvelope);
        tell(endOf(answer));
        return answer;
      } catch (error) {
        tell('failed');
        throw error;
      }
    },
    flush: (timeoutMs) => inner.flush(timeoutMs),
  };
}

/** Without a status the SDK kept it back: its queue is full, or the peer has asked for less. */
function endOf({ statusCode }: Answer): 'sent' | 'dropped' | 'failed' {
  if (statusCode === undefined || statusCode === TOO_MANY_REQUESTS) return 'dropped';
  return statusCode >= 200 && statusCode < 300 ? 'sent' : 'failed';
}

async function post({ url, headers }: Options, body: string | Uint8Array, closed: AbortSignal): Promise<Answer> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/x-sentry-envelope' },
    body: body as string | Uint8Array<ArrayBuffer>,
    redirect: 'error',
    signal: AbortSignal.any([closed, AbortSignal.timeout(ANSWER_MS)]),
  });
  await answer.body?.cancel();
  const header = (name: string) => answer.headers.get(name);
  return {
    statusCode: answer.status,
    headers: { 'x-sentry-rate-limits': header('x-sentry-rate-limits'), 'retry-after': header('retry-after') },
  };
}
