import { z } from 'zod';
import { AGENT_FRAMINGS, type AgentRules } from '../domain/agent-rules.js';
import { APPROVALS, EFFECTS, EXECUTOR_KINDS } from '../domain/command.js';
import { ROLES } from '../domain/principal.js';
import { SANDBOX_PROFILES } from '../domain/sandbox.js';
import type { SecretName } from '../domain/secret.js';
import type { CompiledCommand } from './command-compiler.js';

/** A command as `GET /commands` shows it. */
export const commandDescriptionSchema = z.object({
  name: z.string().meta({ examples: ['git.log'] }),
  summary: z.string(),
  description: z.string().nullable(),
  effect: z.enum(EFFECTS),
  role: z.enum(ROLES).meta({ description: 'Lowest role that may run it' }),
  approval: z.enum(APPROVALS).meta({ description: 'Whether its runs wait until somebody else approves them' }),
  executor: z.enum(EXECUTOR_KINDS),
  available: z.boolean().meta({ description: 'Whether the gateway is set up for it; while not, runs are refused' }),
  reason: z.string().nullable().meta({ description: 'Why it is not available, and what to set' }),
  timeoutMs: z.number(),
  limits: z.object({
    concurrent: z.int().nullable(),
    rate: z.object({ count: z.int(), windowMs: z.int() }).nullable(),
    outputBytes: z.int(),
  }),
  cacheMs: z.number().nullable(),
  sandbox: z.enum(SANDBOX_PROFILES).nullable().meta({ description: 'What its program may reach; null for one that starts no program' }),
  phrases: z.array(z.string()),
  agent: z
    .object({
      framing: z.enum([...AGENT_FRAMINGS, 'conversation']),
      tools: z.array(z.string()).meta({ description: 'Commands that its model may have run, where it is a conversation' }),
      idleMs: z.number(),
      lifeMs: z.number(),
      perKey: z.int().nullable(),
      instructionBytes: z.int(),
      restart: z.boolean(),
    })
    .nullable()
    .meta({ description: 'Not null: it takes instructions, and is started with `POST /agents`' }),
  secrets: z
    .array(z.object({ name: z.string(), set: z.boolean() }))
    .meta({ description: 'Secrets that the gateway gives to its program; it is refused until all of them are set' }),
  params: z.record(z.string(), z.unknown()).meta({ description: 'JSON Schema (draft 2020-12) of `args`' }),
  example: z.object({ args: z.record(z.string(), z.unknown()) }),
  curl: z.string().meta({ description: 'The example as a line for a shell' }),
});
export type CommandDescription = z.output<typeof commandDescriptionSchema>;

/**
 * @param baseUrl without a closing slash: where the caller reaches the gateway
 * @param secretsSet those that have a value
 */
export function describeCommand(command: CompiledCommand, baseUrl: string, secretsSet: ReadonlySet<SecretName>): CommandDescription {
  const { name, argumentsSchema, example } = command;
  return {
    name,
    summary: command.summary,
    description: command.description,
    effect: command.effect,
    role: command.role,
    approval: command.approval,
    executor: command.executor,
    available: command.unavailable === null,
    reason: command.unavailable,
    timeoutMs: command.timeoutMs,
    limits: command.limits,
    cacheMs: command.cacheMs,
    sandbox: command.sandbox,
    phrases: [...command.phrases],
    agent: command.agent && describeAgent(command.agent),
    secrets: command.secrets.map((secret) => ({ name: secret, set: secretsSet.has(secret) })),
    params: argumentsSchema,
    example: { args: example },
    curl: curlLine(`${baseUrl}/${command.agent ? 'agents' : 'run'}`, { command: name, args: example }),
  };
}

function describeAgent({ framing, idleMs, lifeMs, perKey, instructionBytes, restart }: AgentRules): CommandDescription['agent'] {
  const tools = framing.kind === 'conversation' ? [...framing.tools] : [];
  return { framing: framing.kind, tools, idleMs, lifeMs, perKey, instructionBytes, restart };
}

function curlLine(url: string, body: unknown): string {
  const json = shellQuoted(JSON.stringify(body));
  return `curl -sS ${shellQuoted(url)} -H "X-API-Key: $SALLYPORT_KEY" -H 'Content-Type: application/json' -d ${json}`;
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
