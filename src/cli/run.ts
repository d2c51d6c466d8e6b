import { parseIdempotencyKey } from '../http/idempotency-key.js';
import type { RunEnvelope } from '../runs/run-envelope.js';
import { CliFailure, EXIT_REFUSED } from './cli-failure.js';
import type { RemoteOptions, RunOptions } from './options.js';
import { callServer } from './remote.js';
import type { RunResult } from './run-here.js';
import { type Asked, askedFor, presentProblem, problemOf, requestAt, requestOf } from './run-requests.js';

/** Runs one command, here or at a server; prints its output and passes its exit code on. */
export async function run(name: string | undefined, words: readonly string[], options: RunOptions): Promise<number> {
  const result = await (options.plan === undefined
    ? runAsked(askedFor(name, words, options), options)
    : runPlan(options.plan, name, options));
  return 'run' in result ? presentRun(result.run, options) : presentProblem(result.problem, options);
}

async function runAsked(asked: Asked, options: RunOptions): Promise<RunResult> {
  const { url, idempotencyKey } = options;
  if (url) return runAtServer(url, () => requestAt(url, asked), options);
  // Loaded only where it is needed: a run at a server does without the rooms.
  const { runInRooms } = await import('./run-here.js');
  return runInRooms((schema) => requestOf(asked, schema), { name: asked.name, idempotencyKey });
}

function runPlan(planId: string, name: string | undefined, options: RunOptions): Promise<RunResult> {
  if (name !== undefined || options.text !== undefined)
    throw new CliFailure('--plan goes without a command and --text: the plan has them.', EXIT_REFUSED);
  if (!options.url) throw new CliFailure('--plan takes the --url of the server that made the plan: it is kept nowhere else.', EXIT_REFUSED);
  return runAtServer(options.url, () => Promise.resolve({ planId }), options);
}

async function runAtServer(url: string, request: () => Promise<unknown>, { idempotencyKey }: RunOptions): Promise<RunResult> {
  try {
    // The server says so too, but not every text can be sent as a header.
    parseIdempotencyKey(idempotencyKey);
    const headers: Record<string, string> = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
    return { run: await callServer<RunEnvelope>(url, '/run', { method: 'POST', body: await request(), headers }) };
  } catch (error) {
    return { problem: problemOf(error) };
  }
}

/** Prints what came of a run. @returns its exit code */
export function presentRun(run: RunEnvelope, { json }: RemoteOptions): number {
  if (json) process.stdout.write(`${JSON.stringify(run, null, 2)}\n`);
  else {
    process.stdout.write(run.stdout);
    process.stderr.write(run.stderr);
    if (run.truncated) process.stderr.write('(the output was longer than the limit of this command)\n');
    if (run.status !== 'succeeded' && run.status !== 'failed') process.stderr.write(`(${run.status.replace('_', ' ')})\n`);
    if (run.status === 'awaiting_approval') process.stderr.write(`${run.id} starts when somebody else approves it.\n`);
  }
  if (run.outcome?.kind === 'exited') return run.outcome.code;
  return run.status === 'succeeded' ? 0 : 1;
}
