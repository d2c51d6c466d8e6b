import { codeOf } from '../domain/errors.js';
import type { ExecutionEnd } from '../domain/executor.js';
import type { RunOutcome } from '../domain/run.js';
import type { Span, Tracer } from '../domain/tracing.js';
import type { Ticket } from './admission.js';
import type { RunWalk } from './run-walk.js';

/** Shorter steps say nothing of where the time went. */
const SHOWN_FROM_MS = 0.1;

/**
 * Takes a step; of a walk that is followed within a span of its own, which is shown where the step takes time, has parts or refuses. Must be
 * called within the span of the walk: a frame for each step has its price (ADR 0031).
 */
export function followStep(
  tracer: Tracer,
  walk: RunWalk,
  name: string,
  step: (walk: RunWalk) => void | Promise<void>,
): void | Promise<void> {
  if (!walk.span.isRecording) return step(walk);
  tracer.proceed(walk.span, spanNameOf(name));
  try {
    const pending = step(walk);
    if (pending) return followPending(tracer.current, pending);
  } catch (error) {
    endRefused(tracer.current, error);
    throw error;
  }
  tracer.pass(SHOWN_FROM_MS);
}

async function followPending(span: Span, pending: Promise<void>): Promise<void> {
  try {
    await pending;
  } catch (error) {
    endRefused(span, error);
    throw error;
  }
  span.end(SHOWN_FROM_MS);
}

function endRefused(span: Span, error: unknown): void {
  span.fail(codeOf(error));
  span.end();
}

/** Made once for each step: what is made anew for each run has to be read anew for each. */
const names = new Map<string, string>();

function spanNameOf(step: string): string {
  let name = names.get(step);
  if (name === undefined) names.set(step, (name = `run.${step}`));
  return name;
}

/** Waits for the slot; that is shown where it takes time. */
export function followWait(parent: Span, ticket: Ticket | undefined): Promise<boolean> | undefined {
  if (!ticket || ticket.immediate || !parent.isRecording) return ticket?.granted;
  const span = parent.child('admission');
  return ticket.granted.finally(() => span.end());
}

/** OpenTelemetry's conventions for command lines. */
export async function endExecution(span: Span, { live }: RunWalk, executing: Promise<ExecutionEnd>): Promise<ExecutionEnd> {
  try {
    const end = await executing;
    const error = errorTypeOf(live.cause ?? end);
    if (end.kind === 'exited') span.set({ 'process.exit.code': end.code });
    if (error !== undefined) span.fail(error);
    return end;
  } catch (error) {
    span.fail(codeOf(error));
    throw error;
  } finally {
    span.end();
  }
}

/** Ends what the walk is followed as, with what is known of it. The first end counts. */
export function endWalk(walk: Partial<RunWalk>, error?: unknown): void {
  const { span, command, live, outcome, replay, refusal, attempts } = walk;
  if (!span?.isRecording) return;
  if (command) span.rename(`run ${command.name}`);
  span.set({
    'sallyport.command': command?.name,
    'sallyport.run.id': (replay ?? live)?.run.id,
    'sallyport.run.replayed': replay ? true : undefined,
    'sallyport.run.cached': walk.cached ? true : undefined,
    'sallyport.run.attempts': attempts || undefined,
    'sallyport.run.outcome': outcome?.kind,
  });
  const failed = error === undefined ? (refusal?.code ?? (outcome && errorTypeOf(outcome))) : codeOf(error);
  if (failed !== undefined) span.fail(failed);
  span.end();
}

/** What kind of failure it was, from a closed set; undefined for a success. */
export function errorTypeOf(outcome: RunOutcome): string | undefined {
  switch (outcome.kind) {
    case 'exited':
      return outcome.code === 0 ? undefined : (outcome.signal ?? String(outcome.code));
    case 'answered':
      return outcome.expected ? undefined : String(outcome.status);
    case 'unanswered':
      return outcome.fault;
    case 'rejected':
      return outcome.reason;
    case 'timed_out':
    case 'cancelled':
    case 'failed_to_start':
    case 'lost':
      return outcome.kind;
  }
}
