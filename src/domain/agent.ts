import type { CheckedArguments, CommandName } from './command.js';
import type { PrincipalId } from './principal.js';
import type { RunId, RunOutcome } from './run.js';

/** `agt_` and a UUIDv7 without dashes: sorts by time of start. */
export type AgentId = string;

/** `stopped`: its program is gone, and the next instruction starts it anew. */
export const AGENT_STATES = ['ready', 'busy', 'stopped', 'ended'] as const;
export type AgentState = (typeof AGENT_STATES)[number];

/** A long-lived session that takes instructions, one at a time. Each start of its program is a run, and so is each instruction. */
export interface Agent {
  readonly id: AgentId;
  readonly command: CommandName;
  readonly principalId: PrincipalId;
  readonly args: CheckedArguments;
  readonly state: AgentState;
  /** The run that its program is, or was. */
  readonly runId: RunId;
  /** How that ended; null while it goes on. */
  readonly outcome: RunOutcome | null;
  /** Instants are ISO-8601 UTC. */
  readonly startedAt: string;
  readonly lastUsedAt: string;
  /** Instructions taken so far. */
  readonly instructions: number;
  /** How often its program was started anew. */
  readonly restarts: number;
  /** Lines of its program that were to be JSON and were not what the framing says. */
  readonly malformedLines: number;
}
