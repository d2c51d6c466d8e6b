import { GatewayError, type Problem, toProblem } from '../domain/errors.js';
import { parseIdempotencyKey } from '../http/idempotency-key.js';
import type { RunEnvelope } from '../runs/run-envelope.js';
import type { RunRequest } from '../runs/run-request.js';
import { isPlainWord, parseArguments } from './arguments.js';
import { CliFailure, describeProblem, EXIT_REFUSED } from './cli-failure.js';
import type { RunOptions } from './options.js';
import { callServer, RemoteProblem } from './remote.js';
import type { RunResult } from './run-here.js';

type Schema = Parameters<typeof parseArguments>[1];

/** Runs one command, here or at a server; prints its output and passes its exit code on. */
export async function run(name: string | undefined, words: readonly string[], options: RunOptions): Promise<number> {
  if ((name === undefined) === (options.text === undefined))
    throw new CliFailure('Give the name of a command, or --text with a phrase.', EXIT_REFUSED);
  const result = await (options.url ? runAtServer(options.url, name, words, options) : runHere(name, words, options));
  return 'run' in result ? presentRun(result.run, options) : presentProblem(result.problem, options);
}

async function runHere(name: string | undefined, words: readonly string[], { text, idempotencyKey }: RunOptions): Promise<RunResult> {
  // Loaded only where it is needed: a run at a server does without the rooms.
  const { runInRooms } = await import('./run-here.js');
  return runInRooms((schema) => requestOf(name, parseArguments(words, schema), text), { name, idempotencyKey });
}

async function runAtServer(url: string, name: string | undefined, words: readonly string[], options: RunOptions): Promise<RunResult> {
  const { text, idempotencyKey } = options;
  try {
    // The server says so too, but not every text can be sent as a header.
    parseIdempotencyKey(idempotencyKey);
    const headers: Record<string, string> = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
    const args = parseArguments(words, await schemaAtServer(url, name ?? '', words));
    return { run: await callServer<RunEnvelope>(url, '/run', { method: 'POST', body: requestOf(name, args, text), headers }) };
  } catch (error) {
    if (error instanceof RemoteProblem) return { problem: error.problem };
    if (error instanceof GatewayError) return { problem: toProblem(error, 'local') };
    throw error;
  }
}

/** What the server says of the params, for words whose type matters. Whether there is such a command is for the run itself to say. */
async function schemaAtServer(url: string, name: string, words: readonly string[]): Promise<Schema> {
  if (!words.some(isPlainWord)) return {};
  try {
    return (await callServer<{ params: Schema }>(url, `/commands/${encodeURIComponent(name)}`)).params;
  } catch (error) {
    if (error instanceof RemoteProblem) return {};
    throw error;
  }
}

function requestOf(command: string | undefined, args: Record<string, unknown>, text: string | undefined): RunRequest {
  return text === undefined ? { command, args } : { text };
}

function presentRun(run: RunEnvelope, { json }: RunOptions): number {
  if (json) process.stdout.write(`${JSON.stringify(run, null, 2)}\n`);
  else {
    process.stdout.write(run.stdout);
    process.stderr.write(run.stderr);
    if (run.truncated) process.stderr.write('(the output was longer than the limit of this command)\n');
    if (run.status !== 'succeeded' && run.status !== 'failed') process.stderr.write(`(${run.status.replace('_', ' ')})\n`);
    if (run.status === 'awaiting_approval') process.stderr.write(`${run.id} starts when somebody else approves it.\n`);
  }
  return run.outcome?.kind === 'exited' ? run.outcome.code : 1;
}

function presentProblem(problem: Problem, { json }: RunOptions): number {
  if (json) process.stdout.write(`${JSON.stringify(problem, null, 2)}\n`);
  else process.stderr.write(`${describeProblem(problem)}\n`);
  return EXIT_REFUSED;
}
