import { hash } from 'node:crypto';
import type { AgentId } from '../domain/agent.js';
import { canonicalJson } from '../domain/audit.js';
import type { Command, Invocation, Preparation } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import { type ExecutionContext, type ExecutionEnd, Executor } from '../domain/executor.js';
import type { Redaction } from '../redaction/redaction.js';
import { lineMistake } from './framing.js';
import type { Incarnation } from './hosted-agent.js';

/** What is asked of an agent, as arguments of the run that it is. */
export interface Instruction {
  readonly agent: AgentId;
  readonly instruction: string;
}

/** The command of an agent as one of its instructions has it: same name and rights, its arguments are the instruction. */
export function instructionOf(command: Command, incarnation: Incarnation, redaction: Redaction): Command {
  return {
    ...command,
    limits: { ...command.limits, concurrent: null },
    prepare: async (args) => prepare(args as Instruction, command, { incarnation, redaction }),
  };
}

/** @throws GatewayError `invalid_arguments` */
function prepare(
  { agent, instruction }: Instruction,
  { version }: Command,
  { incarnation: { rules, secrets, session }, redaction }: { readonly incarnation: Incarnation; readonly redaction: Redaction },
): Preparation {
  const mistake =
    Buffer.byteLength(instruction) > rules.instructionBytes
      ? `expected at most ${rules.instructionBytes} bytes`
      : rules.framing.kind === 'conversation'
        ? undefined
        : lineMistake(rules.framing, instruction);
  if (mistake !== undefined)
    throw new GatewayError('invalid_arguments', 'The agent cannot be given this instruction.', {
      errors: [{ path: 'instruction', message: mistake }],
    });
  const argsDigest = hash('sha256', `${version}\n${canonicalJson({ agent, instruction })}`);
  return {
    // Nothing says which part of an instruction is secret: what is kept of it is masked like output.
    args: { agent, instruction: redaction.text(instruction, secrets).text },
    argsDigest,
    argvDigest: argsDigest,
    inspected: [instruction],
    secrets,
    invocation: { kind: 'instruction', text: instruction, tokens: session.expectedTokens(instruction) },
  };
}

/** Carries out one instruction. */
export class InstructionExecutor extends Executor {
  override readonly kind = 'process';

  constructor(private readonly instruct: (text: string, context: ExecutionContext) => Promise<ExecutionEnd>) {
    super();
  }

  override async execute(invocation: Invocation, context: ExecutionContext): Promise<ExecutionEnd> {
    if (invocation.kind !== 'instruction') throw new GatewayError('internal', 'This executor carries out instructions only.');
    return this.instruct(invocation.text, context);
  }
}
