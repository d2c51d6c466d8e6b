import { AGENT_FRAMINGS, type AgentFraming, type AgentRules, type ConversationRules } from '../domain/agent-rules.js';
import type { Finding } from './catalogue-mistakes.js';
import type { CommandDeclaration } from './catalogue-schema.js';
import { startsProgram } from './executor-kind.js';
import type { LlmSection } from './llm-schema.js';

const ROUNDS = 8;
const MEMORY_BYTES = 64 * 1024;

/** What has no meaning beside a section `agent`, and why. */
export function agentRule(declaration: CommandDeclaration): readonly Finding[] {
  const { agent, stdin, cache, retry, breaker, phrases, approval, effect, output, secrets } = declaration;
  if (!agent) return [];
  const out: Finding[] = [];
  const not = (is: boolean, key: string, why: string) => {
    if (is) out.push({ path: [key], message: `has no meaning for an agent: ${why}` });
  };
  if (declaration.llm) out.push(...conversationMistakes(agent, declaration.llm));
  else if (!startsProgram(declaration))
    out.push({ path: ['agent'], message: 'an agent is a program or a conversation: expected exec, script or llm' });
  else out.push(...programMistakes(agent));
  const takesStdin = stdin !== undefined || Object.values(secrets).some((placement) => 'stdin' in placement);
  not(takesStdin, stdin === undefined ? 'secrets' : 'stdin', 'its instructions come there');
  not(cache !== undefined, 'cache', 'its answers depend on what it was told before');
  not(retry !== undefined, 'retry', 'an instruction is never given twice');
  not(breaker !== undefined, 'breaker', 'it is ended when it does not answer');
  not(phrases.length > 0, 'phrases', 'it is started with POST /agents');
  not(output.parse !== 'text', 'output', 'answers are given as they come');
  not(approval === 'required', 'approval', 'nobody knows its instructions when it starts');
  if (effect === 'destroy' && approval === undefined)
    out.push({ path: ['approval'], message: 'an agent waits for no approval: say approval: none if that is meant' });
  return out;
}

type AgentSection = NonNullable<CommandDeclaration['agent']>;

function programMistakes({ framing, terminator, tools, rounds, memory }: AgentSection): Finding[] {
  const out: Finding[] = [];
  if (framing === undefined) out.push({ path: ['agent', 'framing'], message: `expected ${AGENT_FRAMINGS.join(' or ')}` });
  if (terminator !== undefined && framing === 'json')
    out.push({ path: ['agent', 'terminator'], message: 'only answers in lines end at one' });
  for (const [key, value] of Object.entries({ tools, rounds, memory }))
    if (value !== undefined)
      out.push({ path: ['agent', key], message: 'has no meaning for a program: a conversation with a model (llm) has it' });
  return out;
}

function conversationMistakes({ framing, terminator, restart }: AgentSection, { schema, audit, stream }: LlmSection): Finding[] {
  const out: Finding[] = [];
  for (const [key, value] of Object.entries({ framing, terminator, restart: restart || undefined }))
    if (value !== undefined) out.push({ path: ['agent', key], message: 'has no meaning for a conversation: a program has it' });
  if (schema) out.push({ path: ['llm', 'schema'], message: 'has no meaning for a conversation: its answers are text' });
  if (stream === false)
    out.push({ path: ['llm', 'stream'], message: 'has no meaning for a conversation: its answers come piece by piece' });
  if (audit) out.push({ path: ['llm', 'audit'], message: 'has no meaning for a conversation: instructions are arguments of their runs' });
  return out;
}

export function agentRulesOf({ agent, llm }: CommandDeclaration): AgentRules | null {
  if (!agent) return null;
  const { idle, life, perKey, instruction, restart } = agent;
  return {
    framing: llm ? conversationOf(agent) : framingOf(agent),
    idleMs: idle,
    lifeMs: life,
    perKey: perKey ?? null,
    instructionBytes: instruction,
    restart,
  };
}

function framingOf({ framing, terminator }: AgentSection): AgentFraming {
  return framing === 'json' ? { kind: 'json' } : { kind: 'line', terminator: terminator ?? null };
}

function conversationOf({ tools = [], rounds = ROUNDS, memory = MEMORY_BYTES }: AgentSection): ConversationRules {
  return { kind: 'conversation', tools, rounds, memoryBytes: memory };
}
