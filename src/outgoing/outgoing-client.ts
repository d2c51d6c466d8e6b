import type { Client, Dispatcher } from 'undici';
import type { TargetRules } from '../domain/outgoing.js';
import { CallFailure, callFailure } from './call-failure.js';
import { type ConnectionTrail, guardedConnector, type Resolve, systemResolve } from './guarded-connector.js';
import type { CallLimits, OutgoingAnswer, OutgoingCall } from './outgoing-call.js';
import { nextCall } from './redirects.js';
import { PACKINGS, unpacked } from './unpacked.js';
import { judgeTarget } from './url-rules.js';

/** One exchange on one connection. */
interface Exchange {
  readonly url: URL;
  readonly call: OutgoingCall;
  readonly deadline: AbortSignal | undefined;
  readonly sentBefore: boolean;
}

/** How the reading of a body ends. */
interface Ending {
  readonly fail: (thrown: unknown) => CallFailure;
  readonly close: () => Promise<void>;
}

/**
 * The one way out: every HTTP call that the gateway itself makes. Where it may lead is fixed by the rules of its use, and held against the
 * address as it is written, against what its name resolves to, and against every redirect. Each call has a connection of its own, which ends
 * with it, so that nothing judged for one use serves another. No proxy of the environment is heeded.
 */
export class OutgoingClient {
  constructor(
    private readonly rules: TargetRules,
    private readonly limits: CallLimits,
    private readonly resolve: Resolve = systemResolve,
  ) {}

  /** @throws CallFailure when there is no answer; the status of one that there is decides nothing here */
  async call(call: OutgoingCall): Promise<OutgoingAnswer> {
    if (call.signal?.aborted) throw new CallFailure('ended', false);
    const deadline = this.limits.totalMs > 0 ? AbortSignal.timeout(this.limits.totalMs) : undefined;
    let current = call;
    for (let hops = 0; ; hops++) {
      const verdict = judgeTarget(current.url, this.rules);
      if ('refusal' in verdict) throw new CallFailure('forbidden', hops > 0);
      const answer = await this.exchange({ url: verdict.url, call: current, deadline, sentBefore: hops > 0 });
      const next = this.limits.redirects > 0 ? nextCall(current, verdict.url, answer) : undefined;
      if (next === undefined) return answer;
      await answer.discard();
      if (next === 'refused' || hops >= this.limits.redirects) throw new CallFailure('redirected', true);
      current = next;
    }
  }

  private async exchange({ url, call, deadline, sentBefore }: Exchange): Promise<OutgoingAnswer> {
    const trail: ConnectionTrail = { refused: false, connected: false };
    const client = await this.connection(url, trail);
    const fail = (thrown: unknown) =>
      callFailure(thrown, { ...trail, sentBefore, ended: call.signal?.aborted === true, late: deadline?.aborted === true });
    const close = () => client.destroy();
    try {
      const { statusCode, headers, body } = await client.request(requestOf(url, call, deadline));
      // Nobody may be listening when it breaks off after that; the loop that reads it is told all the same.
      body.on('error', () => undefined);
      const readable = unpacked(body, hasBody(call.method, statusCode) ? headers['content-encoding']?.toString() : undefined);
      if (!readable) throw new CallFailure('unreadable', true);
      return { status: statusCode, headers, body: this.read(readable, { fail, close }), discard: close };
    } catch (error) {
      const failure = fail(error);
      await close();
      throw failure;
    }
  }

  private async connection(url: URL, trail: ConnectionTrail): Promise<Client> {
    const { connectMs, headersMs, idleMs } = this.limits;
    // Loaded by the first call: many gateways never make one, and it takes a tenth of a second.
    const undici = await import('undici');
    return new undici.Client(url.origin, {
      connect: guardedConnector(undici.buildConnector, { rules: this.rules, resolve: this.resolve, connectMs, trail }),
      headersTimeout: headersMs,
      bodyTimeout: idleMs,
      // One request, one connection.
      pipelining: 0,
    });
  }

  private async *read(body: AsyncIterable<Buffer>, { fail, close }: Ending): AsyncGenerator<Buffer> {
    let left = this.limits.responseBytes;
    try {
      for await (const piece of body) {
        if (piece.length > left) {
          if (left > 0) yield piece.subarray(0, left);
          throw new CallFailure('too_large', true);
        }
        left -= piece.length;
        yield piece;
      }
    } catch (error) {
      throw fail(error);
    } finally {
      await close();
    }
  }
}

/** RFC 9110, 6.4.1. */
function hasBody(method: string, status: number): boolean {
  return method !== 'HEAD' && status !== 204 && status !== 304;
}

function requestOf(
  url: URL,
  { method, headers, body, signal }: OutgoingCall,
  deadline: AbortSignal | undefined,
): Dispatcher.RequestOptions {
  const signals = [signal, deadline].filter((one) => one !== undefined);
  return {
    path: url.pathname + url.search,
    method,
    headers: { 'accept-encoding': PACKINGS, ...headers },
    body,
    ...(signals.length === 0 ? {} : { signal: AbortSignal.any(signals) }),
  };
}
