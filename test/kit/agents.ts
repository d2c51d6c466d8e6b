import type { AgentView } from '../../src/agents/agent-view.js';
import type { Problem } from '../../src/domain/errors.js';
import type { RunEnvelope } from '../../src/runs/run-envelope.js';
import type { Answer, Caller } from './gateway.js';

/** A new agent; fails the test on a refusal. */
export async function started(caller: Caller, name: string, args?: unknown): Promise<AgentView> {
  const { status, body } = await caller.post<AgentView>('/agents', { command: name, ...(args ? { args } : {}) });
  if (status !== 201) throw new Error(`expected an agent, got ${status} ${JSON.stringify(body)}`);
  return body;
}

/** Gives an instruction, and resolves to whatever comes back. */
export function ask<Body = Problem>(caller: Caller, { id }: AgentView, instruction: string): Promise<Answer<Body>> {
  return caller.post<Body>(`/agents/${id}/command`, { instruction });
}

/** The answer to an instruction; fails the test on a refusal. */
export async function told(caller: Caller, one: AgentView, instruction: string): Promise<RunEnvelope> {
  const { status, body } = await ask<RunEnvelope>(caller, one, instruction);
  if (status !== 200) throw new Error(`expected an answer, got ${status} ${JSON.stringify(body)}`);
  return body;
}
