import { basename } from 'node:path';
import { LOCAL_PRINCIPAL } from '../auth/local-principal.js';
import { Catalogue } from '../commands/catalogue.js';
import { callerTrace } from '../config/settings.js';
import { GatewayError, type Problem, toProblem } from '../domain/errors.js';
import { type Span, Tracer } from '../domain/tracing.js';
import { parseIdempotencyKey } from '../http/idempotency-key.js';
import { createRequestContext } from '../http/request-context.js';
import type { RunEnvelope } from '../runs/run-envelope.js';
import { RunHistory } from '../runs/run-history.js';
import { type RunRequest, runRequestSchema } from '../runs/run-request.js';
import { RunService } from '../runs/run.service.js';
import { errorTypeOf } from '../runs/run-spans.js';
import { withLocalRooms } from './local.js';

/** What became of it: the run, or why there is none. */
export type RunResult = { readonly run: RunEnvelope } | { readonly problem: Problem };

/** What was asked for beside the request itself. */
interface Asked {
  readonly name: string | undefined;
  readonly idempotencyKey: string | undefined;
}

/** Runs one command on this host, as the person at its command line. An interrupt ends the run, not this program. */
export function runInRooms(request: (schema: Readonly<Record<string, unknown>>) => RunRequest, asked: Asked): Promise<RunResult> {
  return withLocalRooms(async ({ context, gateway }) => {
    await gateway.open();
    const tracer = context.get(Tracer);
    const { requestId, traceparent, span } = createRequestContext(callerTrace(), 0, tracer, 'internal');
    span.rename('sallyport run');
    const interrupted = new AbortController();
    const interrupt = () => interrupted.abort();
    process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
    try {
      const parsed = runRequestSchema.safeParse(request(context.get(Catalogue).get(asked.name ?? '')?.argumentsSchema ?? {}));
      if (!parsed.success) throw new GatewayError('invalid_request', 'The request is neither a command with arguments nor a phrase.');
      const idempotencyKey = parseIdempotencyKey(asked.idempotencyKey);
      const origin = { principal: LOCAL_PRINCIPAL, requestId, traceparent, idempotencyKey };
      const live = await tracer.within(span, () => context.get(RunService).start(parsed.data, origin));
      const cancel = () => live.abort({ kind: 'cancelled', by: LOCAL_PRINCIPAL.id });
      if (interrupted.signal.aborted) cancel();
      else interrupted.signal.addEventListener('abort', cancel);
      const run = context.get(RunHistory).present(await live.finished, live.output);
      describeSelf(span, run);
      return { run };
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      span.fail(error.code);
      return { problem: toProblem(error, requestId) };
    } finally {
      span.end();
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    }
  });
}

/** OpenTelemetry's conventions for command lines, seen from the inside. */
function describeSelf(span: Span, { outcome }: RunEnvelope): void {
  span.set({ 'process.executable.name': basename(process.execPath), 'process.pid': process.pid });
  if (outcome?.kind === 'exited') span.set({ 'process.exit.code': outcome.code });
  const error = outcome && errorTypeOf(outcome);
  if (error) span.fail(error);
}
