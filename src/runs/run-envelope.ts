import { z } from 'zod';
import type { OutputParser } from '../domain/command.js';
import { CALL_FAULTS, type CallFault } from '../domain/outgoing.js';
import { type OutputChunk, type OutputStream, type Run, RUN_STATUSES } from '../domain/run.js';

const instant = z.iso.datetime();
const fallback = z
  .object({
    ageMs: z.number(),
    insteadOf: z.enum(['exited', 'timed_out', 'failed_to_start', 'answered', 'unanswered', 'lost', 'rejected']),
  })
  .optional()
  .meta({ description: 'Not the end of this run, but the last result that was cached, in place of a failure' });
export const outcomeSchema = z
  .union([
    z.object({
      kind: z.literal('exited'),
      code: z.int(),
      signal: z.string().optional(),
      fallback,
    }),
    z.object({ kind: z.literal('timed_out'), afterMs: z.number() }),
    z.object({ kind: z.literal('cancelled'), by: z.string() }),
    z.object({ kind: z.literal('rejected'), reason: z.string() }),
    z.object({ kind: z.literal('failed_to_start'), reason: z.string() }),
    z.object({ kind: z.literal('answered'), status: z.int(), expected: z.boolean(), fallback }),
    z.object({ kind: z.literal('unanswered'), fault: z.enum(Object.keys(CALL_FAULTS) as CallFault[]), sent: z.boolean() }),
    z.object({ kind: z.literal('lost') }),
  ])
  .meta({ id: 'RunOutcome' });

const summaryFields = z.object({
  id: z.string().meta({ examples: ['run_0199a1b2c3d47e5f8a9b0c1d2e3f4a5b'] }),
  command: z.string(),
  args: z.record(z.string(), z.unknown()).readonly(),
  keyId: z.string().meta({ description: 'Key that asked for it' }),
  requestId: z.string(),
  status: z.enum(RUN_STATUSES),
  outcome: outcomeSchema.nullable(),
  truncated: z.boolean().meta({ description: 'More output came than the limit lets through' }),
  redactions: z.int().meta({ description: 'Things masked in the output' }),
  cached: z.boolean(),
  attempts: z.int(),
  queuedAt: instant,
  startedAt: instant.nullable(),
  finishedAt: instant.nullable(),
  durationMs: z.number().nullable(),
});

/** A run as lists and `run.finished` show it. */
export const runSummarySchema = summaryFields.meta({ id: 'RunSummary' });
export type RunSummary = Readonly<z.output<typeof summaryFields>>;

const envelopeFields = summaryFields.extend({
  stdout: z.string(),
  stderr: z.string(),
  parsed: z.unknown().meta({
    description: 'Output as the command declares it (lines or JSON); null where it declares none or the output is not of that form',
  }),
});

/** A run as `/run` answers it. */
export const runEnvelopeSchema = envelopeFields.meta({ id: 'Run' });
export type RunEnvelope = Readonly<z.output<typeof envelopeFields>>;

/** Field by field: every answer to a run passes here, and taking two fields out of a copy takes three times as long. */
export function summarise(run: Run): RunSummary {
  return {
    id: run.id,
    command: run.command,
    args: run.args,
    requestId: run.requestId,
    status: run.status,
    outcome: run.outcome,
    truncated: run.truncated,
    redactions: run.redactions,
    cached: run.cached,
    attempts: run.attempts,
    queuedAt: run.queuedAt,
    startedAt: run.startedAt,
    finishedAt: run.finishedAt,
    durationMs: run.durationMs,
    keyId: run.principalId,
  };
}

export function envelope(run: Run, output: readonly OutputChunk[], parse: OutputParser): RunEnvelope {
  const stdout = textOf(output, 'stdout');
  return { ...summarise(run), stdout, stderr: textOf(output, 'stderr'), parsed: parseOutput(stdout, parse) };
}

export function textOf(output: readonly OutputChunk[], stream: OutputStream): string {
  let text = '';
  for (const chunk of output) if (chunk.stream === stream) text += chunk.data;
  return text;
}

function parseOutput(stdout: string, parse: OutputParser): unknown {
  switch (parse) {
    case 'text':
      return null;
    case 'lines':
      return stdout === '' ? [] : stdout.replace(/\r?\n$/, '').split(/\r?\n/);
    case 'json':
      try {
        return JSON.parse(stdout) as unknown;
      } catch {
        return null; // Not of the declared form: stdout has it as it came.
      }
  }
}
