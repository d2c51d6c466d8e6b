import { GatewayError } from '../domain/errors.js';
import type { FailureCause } from '../domain/failure.js';
import { CALL_FAULTS, type CallFault } from '../domain/outgoing.js';
import { CallFailure } from './call-failure.js';
import { causeOf, waitOf } from './failure-cause.js';
import type { OutgoingAnswer, OutgoingCall } from './outgoing-call.js';
import type { OutgoingClient } from './outgoing-client.js';

export type JsonCall = Omit<OutgoingCall, 'body'> & {
  /** Undefined: none is sent. */
  readonly body?: unknown;
};

/** How a call ended that did not come to what was asked for. */
export type JsonFailure =
  /** With another status than 2xx. Its body is not read: it may tell of what callers should not know. */
  | { readonly kind: 'refused'; readonly status: number; readonly retryAfterMs?: number }
  /** What came is not what was asked for. */
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'failed'; readonly fault: CallFault; readonly sent: boolean };

export type JsonEnd = JsonFailure | { readonly kind: 'answered'; readonly value: unknown };

/** Sends JSON and reads JSON. Rejects for nothing that the service does. */
export async function callJson(client: OutgoingClient, { body, ...call }: JsonCall): Promise<JsonEnd> {
  const headers = { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...call.headers };
  try {
    const answer = await client.call({ ...call, headers, body: body === undefined ? null : JSON.stringify(body) });
    if (answer.status >= 200 && answer.status <= 299) return await read(answer);
    await answer.discard();
    return { kind: 'refused', status: answer.status, ...waitOf(answer.headers) };
  } catch (error) {
    if (error instanceof CallFailure) return { kind: 'failed', fault: error.fault, sent: error.sent };
    throw error;
  }
}

/**
 * What went wrong, in words for callers and as a cause for whoever tries again.
 * @param who begins the sentence: `The embedding provider`
 */
export function jsonFailure(who: string, failure: JsonFailure): GatewayError {
  switch (failure.kind) {
    case 'refused': {
      const { kind: _, ...status } = failure;
      return unavailable(`${who} answers with status ${failure.status}.`, { kind: 'status', ...status });
    }
    case 'unreadable':
      return unavailable(`${who} answers with something else than was asked for.`, { kind: 'lost' });
    case 'failed':
      return unavailable(`${who} cannot be used: ${CALL_FAULTS[failure.fault]}.`, causeOf(failure));
  }
}

function unavailable(detail: string, failure: FailureCause): GatewayError {
  return new GatewayError('executor_unavailable', detail, { failure });
}

async function read({ body }: OutgoingAnswer): Promise<JsonEnd> {
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(piece);
  try {
    return { kind: 'answered', value: pieces.length === 0 ? undefined : JSON.parse(Buffer.concat(pieces).toString()) };
  } catch {
    return { kind: 'unreadable' };
  }
}
