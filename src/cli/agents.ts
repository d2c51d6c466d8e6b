import type { AgentView } from '../agents/agent-view.js';
import type { Page } from '../domain/audit.js';
import type { RunEnvelope } from '../runs/run-envelope.js';
import { CliFailure, EXIT_REFUSED, print } from './cli-failure.js';
import type { RemoteOptions } from './options.js';
import { callServer } from './remote.js';
import { presentRun } from './run.js';
import { presentProblem, problemOf, requestAt } from './run-requests.js';

export async function listAgents(options: RemoteOptions): Promise<void> {
  const { items } = await callServer<Page<AgentView>>(serverOf(options), '/agents');
  print({ items }, options, () => items.map(lineOf).join('\n') || 'There are no agents.');
}

/** @param words arguments of its command, as for a run */
export async function startAgent(command: string, words: readonly string[], options: RemoteOptions): Promise<void> {
  const url = serverOf(options);
  const body = await requestAt(url, { name: command, words, text: undefined });
  const agent = await callServer<AgentView>(url, '/agents', { method: 'POST', body });
  print(agent, options, () => agent.id);
}

export async function showAgent(id: string, options: RemoteOptions): Promise<void> {
  const agent = await callServer<AgentView>(serverOf(options), addressOf(id));
  print(agent, options, () => describe(agent));
}

/** Gives an agent an instruction and prints its answer. @returns the exit code, as of a run */
export async function tellAgent(id: string, instruction: string, options: RemoteOptions): Promise<number> {
  const url = serverOf(options);
  try {
    return presentRun(await callServer<RunEnvelope>(url, `${addressOf(id)}/command`, { method: 'POST', body: { instruction } }), options);
  } catch (error) {
    return presentProblem(problemOf(error), options);
  }
}

export async function endAgent(id: string, options: RemoteOptions): Promise<void> {
  const agent = await callServer<AgentView>(serverOf(options), addressOf(id), { method: 'DELETE' });
  print(agent, options, () => `The agent ${id} is ended, and nothing is left of it.`);
}

function serverOf({ url }: RemoteOptions): string {
  if (url) return url;
  throw new CliFailure('Agents live in the server that started them: give its --url.', EXIT_REFUSED);
}

function addressOf(id: string): string {
  return `/agents/${encodeURIComponent(id)}`;
}

function lineOf({ id, state, command, keyId, instructions, lastUsedAt }: AgentView): string {
  return [id, state.padEnd(7), command, `of ${keyId}`, `${instructions} instructions`, `last used ${lastUsedAt}`].join('  ');
}

function describe(agent: AgentView): string {
  const { args, runId, outcome, startedAt, restarts } = agent;
  return [
    lineOf(agent),
    `  arguments ${JSON.stringify(args)}`,
    `  started ${startedAt} as ${runId}, ${restarts} times anew`,
    ...(outcome ? [`  ended: ${JSON.stringify(outcome)}`] : []),
  ].join('\n');
}
