import { GatewayError, toProblem, type Problem } from '../domain/errors.js';
import type { RunRequest } from '../runs/run-request.js';
import { isPlainWord, parseArguments } from './arguments.js';
import { CliFailure, describeProblem, EXIT_REFUSED } from './cli-failure.js';
import type { PlanOptions, RemoteOptions } from './options.js';
import { callServer, RemoteProblem } from './remote.js';

export type ArgumentsSchema = Parameters<typeof parseArguments>[1];

/** A command that somebody names, or a phrase, as words of a shell. */
export interface Asked {
  readonly name: string | undefined;
  readonly words: readonly string[];
  readonly text: string | undefined;
}

/** @throws CliFailure unless exactly one of name and phrase is there */
export function askedFor(name: string | undefined, words: readonly string[], { text }: PlanOptions): Asked {
  if ((name === undefined) === (text === undefined))
    throw new CliFailure('Give the name of a command, or --text with a phrase.', EXIT_REFUSED);
  return { name, words, text };
}

export function requestOf({ name, words, text }: Asked, schema: ArgumentsSchema): RunRequest {
  const args = parseArguments(words, schema);
  return text === undefined ? { command: name, args } : { text };
}

/** The same, for a server: it is asked for the types of params where words do not tell them. */
export async function requestAt(url: string, asked: Asked): Promise<RunRequest> {
  return requestOf(asked, await schemaAtServer(url, asked));
}

/** What the server says of the params, for words whose type matters. Whether there is such a command is for the run itself to say. */
async function schemaAtServer(url: string, { name = '', words }: Asked): Promise<ArgumentsSchema> {
  if (!words.some(isPlainWord)) return {};
  try {
    return (await callServer<{ params: ArgumentsSchema }>(url, `/commands/${encodeURIComponent(name)}`)).params;
  } catch (error) {
    if (error instanceof RemoteProblem) return {};
    throw error;
  }
}

/** The problem in a refusal, from here or from a server; anything else goes on. */
export function problemOf(error: unknown): Problem {
  if (error instanceof RemoteProblem) return error.problem;
  if (error instanceof GatewayError) return toProblem(error, 'local');
  throw error;
}

/** @returns the exit code */
export function presentProblem(problem: Problem, { json }: RemoteOptions): number {
  if (json) process.stdout.write(`${JSON.stringify(problem, null, 2)}\n`);
  else process.stderr.write(`${describeProblem(problem)}\n`);
  return EXIT_REFUSED;
}
