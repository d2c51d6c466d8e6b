import { Catalogue } from '../commands/catalogue.js';
import { GatewayError, toProblem, type Problem } from '../domain/errors.js';
import { LOCAL_PRINCIPAL } from '../auth/local-principal.js';
import { createRequestContext } from '../http/request-context.js';
import type { RunEnvelope } from '../runs/run-envelope.js';
import { RunHistory } from '../runs/run-history.js';
import { type RunRequest, runRequestSchema } from '../runs/run-request.js';
import { RunService } from '../runs/run.service.js';
import { parseArguments } from './arguments.js';
import { CliFailure, describeProblem, EXIT_REFUSED } from './cli-failure.js';
import { withLocalRooms } from './local.js';
import type { RunOptions } from './options.js';
import { callServer, RemoteProblem } from './remote.js';

type Schema = Parameters<typeof parseArguments>[1];

/** Runs one command, here or at a server; prints its output and passes its exit code on. */
export async function run(name: string | undefined, words: readonly string[], options: RunOptions): Promise<number> {
  if ((name === undefined) === (options.text === undefined))
    throw new CliFailure('Give the name of a command, or --text with a phrase.', EXIT_REFUSED);
  const result = await (options.url ? runAtServer(options.url, name, words, options) : runHere(name, words, options));
  return 'run' in result ? presentRun(result.run, options) : presentProblem(result.problem, options);
}

type Result = { readonly run: RunEnvelope } | { readonly problem: Problem };

async function runAtServer(url: string, name: string | undefined, words: readonly string[], { text }: RunOptions): Promise<Result> {
  try {
    const schema =
      words.length === 0 ? {} : (await callServer<{ params: Schema }>(url, `/commands/${encodeURIComponent(name ?? '')}`)).params;
    return {
      run: await callServer<RunEnvelope>(url, '/run', { method: 'POST', body: requestOf(name, parseArguments(words, schema), text) }),
    };
  } catch (error) {
    if (error instanceof RemoteProblem) return { problem: error.problem };
    throw error;
  }
}

function runHere(name: string | undefined, words: readonly string[], { text }: RunOptions): Promise<Result> {
  return withLocalRooms(async ({ context, gateway }) => {
    await gateway.open();
    const { requestId, traceparent } = createRequestContext({}, 0);
    const schema = context.get(Catalogue).get(name ?? '')?.argumentsSchema ?? {};
    const cancel = new AbortController();
    const interrupt = () => cancel.abort();
    process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
    try {
      const request = runRequestSchema.safeParse(requestOf(name, parseArguments(words, schema), text));
      if (!request.success) throw new GatewayError('invalid_request', 'The request is neither a command with arguments nor a phrase.');
      const live = await context.get(RunService).start(request.data, { principal: LOCAL_PRINCIPAL, requestId, traceparent });
      cancel.signal.addEventListener('abort', () => live.abort({ kind: 'cancelled', by: LOCAL_PRINCIPAL.id }));
      return { run: context.get(RunHistory).present(await live.finished, live.output) };
    } catch (error) {
      if (error instanceof GatewayError) return { problem: toProblem(error, requestId) };
      throw error;
    } finally {
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    }
  });
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
  }
  return run.outcome?.kind === 'exited' ? run.outcome.code : 1;
}

function presentProblem(problem: Problem, { json }: RunOptions): number {
  if (json) process.stdout.write(`${JSON.stringify(problem, null, 2)}\n`);
  else process.stderr.write(`${describeProblem(problem)}\n`);
  return EXIT_REFUSED;
}
