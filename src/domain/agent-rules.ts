/**
 * How instructions and answers are told apart in the streams of a program. `line`: a line in; the answer is one line, or all lines up to
 * the terminator. `json`: lines of JSON, `{id, instruction}` in and `{id, output | error, done}` out.
 */
export const AGENT_FRAMINGS = ['line', 'json'] as const;
export type AgentFraming =
  { readonly kind: 'line'; /** Null: the answer is one line. */ readonly terminator: string | null } | { readonly kind: 'json' };

/** A conversation with a language model, which may have commands run: those that whoever gives the instruction may run. */
export interface ConversationRules {
  readonly kind: 'conversation';
  /** Globs over the names of commands. */
  readonly tools: readonly string[];
  /** How often the model is asked for one instruction. */
  readonly rounds: number;
  /** How much of what was said before is told to the model (UTF-8): the oldest goes first. */
  readonly memoryBytes: number;
}

/** How agents of a command live. */
export interface AgentRules {
  readonly framing: AgentFraming | ConversationRules;
  /** Without an instruction for so long it is ended. */
  readonly idleMs: number;
  /** It is ended at this age, whatever it does. */
  readonly lifeMs: number;
  /** Agents of one key at one time; null: only the command's own limit counts. */
  readonly perKey: number | null;
  /** Size of one instruction (UTF-8). */
  readonly instructionBytes: number;
  /** Whether the next instruction starts the program anew when it crashed, or was ended because it did not answer. */
  readonly restart: boolean;
}
