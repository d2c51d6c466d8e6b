import { matchesGlob, mayRun } from '../auth/permissions.js';
import type { Catalogue } from '../commands/catalogue.js';
import type { CompiledCommand } from '../commands/command-compiler.js';
import type { CommandName } from '../domain/command.js';
import { GatewayError, toProblem } from '../domain/errors.js';
import type { ChatTool, ToolCall } from '../domain/llm.js';
import type { Principal } from '../domain/principal.js';
import type { AbortCause, Run } from '../domain/run.js';
import type { RequestOrigin } from '../http/parameters.js';
import type { LiveRun } from '../runs/live-run.js';
import type { RunService } from '../runs/run.service.js';

/** Of each of its streams, for the model (UTF-16 code units). */
const MOST_OUTPUT = 16 * 1024;
/** Names that models may be given. */
const LONGEST_NAME = 64;

/** What became of a call: a line about it, and what the model is told. */
export interface ToolResult {
  readonly told: string;
  readonly shown: { readonly tool: string; readonly runId?: string; readonly status: string };
}

/** Commands as a model may ask for them, for one instruction. */
export class Toolbox {
  private readonly byName: ReadonlyMap<string, CompiledCommand>;

  constructor(
    private readonly runs: RunService,
    commands: readonly CompiledCommand[],
    private readonly origin: RequestOrigin,
  ) {
    this.byName = named(commands);
  }

  get tools(): readonly ChatTool[] {
    return [...this.byName].map(([name, { name: command, summary, argumentsSchema: parameters }]) => ({
      name,
      description: `${command}: ${summary}`,
      parameters,
    }));
  }

  /** Has the command run for whoever gave the instruction. Never rejects: what is refused the model is told like anybody. */
  async use(call: ToolCall, signal: AbortSignal): Promise<ToolResult> {
    const command = this.byName.get(call.name);
    const args = argumentsIn(call.arguments);
    if (!command) return refusal(call.name, new GatewayError('command_unknown', 'There is no such tool.'));
    if (args === undefined) return refusal(command.name, new GatewayError('invalid_arguments', 'The arguments are no JSON object.'));
    try {
      const live = await this.runs.start({ command: command.name, args }, { ...this.origin, idempotencyKey: undefined });
      return resultOf(live, command.name, await ended(live, signal));
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return refusal(command.name, error);
    }
  }
}

/** What an agent may have run now: declared for it, allowed to the key, and at hand. No agents, and nothing that somebody has to approve first. */
export function toolsFor(catalogue: Catalogue, globs: readonly string[], principal: Principal): readonly CompiledCommand[] {
  return catalogue
    .all()
    .filter(({ name }) => globs.some((glob) => matchesGlob(glob, name)))
    .filter(({ agent, approval, unavailable }) => !agent && approval === 'none' && unavailable === null)
    .filter((command) => mayRun(principal, command) === 'allowed');
}

/** By names without dots, each once. */
function named(commands: readonly CompiledCommand[]): ReadonlyMap<string, CompiledCommand> {
  const byName = new Map<string, CompiledCommand>();
  for (const command of commands) {
    const plain = plainName(command.name);
    let name = plain;
    for (let nth = 2; byName.has(name); nth++) name = `${plain.slice(0, LONGEST_NAME - 4)}_${nth}`;
    byName.set(name, command);
  }
  return byName;
}

function plainName(name: CommandName): string {
  return name.replaceAll('.', '_').slice(0, LONGEST_NAME);
}

/** Models write nothing where there is nothing to say. */
function argumentsIn(text: string): unknown {
  try {
    const value: unknown = text.trim() === '' ? {} : JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Who gives up the instruction gives up what it had started. */
async function ended(live: LiveRun, signal: AbortSignal): Promise<Run> {
  const giveUp = () => live.abort(signal.reason as AbortCause);
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await live.finished;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

function resultOf({ output }: LiveRun, tool: CommandName, { id, status, outcome, truncated }: Run): ToolResult {
  const of = (stream: 'stdout' | 'stderr') => {
    const text = output.map((chunk) => (chunk.stream === stream ? chunk.data : '')).join('');
    return text.length > MOST_OUTPUT ? `${text.slice(0, MOST_OUTPUT)}\n(cut)` : text;
  };
  return {
    told: JSON.stringify({ status, outcome, truncated, stdout: of('stdout'), stderr: of('stderr') }),
    shown: { tool, runId: id, status },
  };
}

function refusal(tool: string, error: GatewayError): ToolResult {
  const { code, detail, errors } = toProblem(error, '');
  return { told: JSON.stringify({ refused: { code, detail, errors } }), shown: { tool, status: code } };
}
