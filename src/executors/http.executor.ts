import type { HttpInvocation, Invocation } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import { Executor, type ExecutionContext, type ExecutionEnd } from '../domain/executor.js';
import { CallFailure } from '../outgoing/call-failure.js';
import { causeOf, waitOf } from '../outgoing/failure-cause.js';
import type { OutgoingAnswer, OutgoingCall } from '../outgoing/outgoing-call.js';
import { OutgoingClient } from '../outgoing/outgoing-client.js';
import { spanOf } from './own-span.js';

/** The run's own timeout bounds the whole, and each wait in it. */
const WAITS = { connectMs: 10_000, headersMs: 0, idleMs: 0, totalMs: 0 };

/** Calls a service, once. The body of its answer is the output. */
export class HttpExecutor extends Executor {
  override readonly kind = 'http';

  override async execute(invocation: Invocation, context: ExecutionContext): Promise<ExecutionEnd> {
    if (invocation.kind !== 'http') throw new GatewayError('internal', 'This executor makes calls only.');
    const { target, redirects } = invocation;
    describeCall(invocation, context);
    const client = new OutgoingClient(target, { ...WAITS, responseBytes: context.outputBytes, redirects });
    try {
      return await this.exchange(client, invocation, context);
    } catch (error) {
      if (!(error instanceof CallFailure)) throw error;
      context.onFailure?.(causeOf(error));
      return { kind: 'unanswered', fault: error.fault, sent: error.sent };
    }
  }

  private async exchange(client: OutgoingClient, invocation: HttpInvocation, context: ExecutionContext): Promise<ExecutionEnd> {
    const answer = await client.call(requestOf(invocation, context));
    const { status } = answer;
    context.span.set({ 'http.response.status_code': status });
    await forward(answer, context);
    const expected = invocation.expected?.includes(status) ?? (status >= 200 && status <= 299);
    if (!expected) context.onFailure?.({ kind: 'status', status, ...waitOf(answer.headers) });
    return { kind: 'answered', status, expected };
  }
}

/** OpenTelemetry's conventions for HTTP clients; no path and no query, for they hold what callers gave. */
function describeCall({ method, url }: HttpInvocation, { span }: ExecutionContext): void {
  if (!span.isRecording) return;
  const { protocol, hostname, port } = new URL(url);
  span.rename(method);
  span.set({
    'http.request.method': method,
    'server.address': hostname,
    'server.port': Number(port) || (protocol === 'https:' ? 443 : 80),
  });
}

function requestOf({ method, url, headers, body }: HttpInvocation, context: ExecutionContext): OutgoingCall {
  return { method, url, headers: { ...headers, traceparent: spanOf(context) }, body, signal: context.signal };
}

/** As much of the body as the run may have; the rest is not waited for. */
async function forward({ body }: OutgoingAnswer, context: ExecutionContext): Promise<void> {
  try {
    for await (const piece of body) context.onOutput('stdout', piece);
  } catch (error) {
    if (!(error instanceof CallFailure) || error.fault !== 'too_large') throw error;
    context.onTruncated();
  }
}
