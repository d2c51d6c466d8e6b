import { z } from 'zod';
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
  timeoutMs: z.number(),
  limits: z.object({
    concurrent: z.int().nullable(),
    rate: z.object({ count: z.int(), windowMs: z.int() }).nullable(),
    outputBytes: z.int(),
  }),
  cacheMs: z.number().nullable(),
  sandbox: z.enum(SANDBOX_PROFILES).nullable().meta({ description: 'What its program may reach; null for one that starts no program' }),
  phrases: z.array(z.string()),
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
    timeoutMs: command.timeoutMs,
    limits: command.limits,
    cacheMs: command.cacheMs,
    sandbox: command.sandbox,
    phrases: [...command.phrases],
    secrets: command.secrets.map((secret) => ({ name: secret, set: secretsSet.has(secret) })),
    params: argumentsSchema,
    example: { args: example },
    curl: curlLine(baseUrl, { command: name, args: example }),
  };
}

function curlLine(baseUrl: string, body: unknown): string {
  const json = shellQuoted(JSON.stringify(body));
  return `curl -sS ${shellQuoted(`${baseUrl}/run`)} -H "X-API-Key: $SALLYPORT_KEY" -H 'Content-Type: application/json' -d ${json}`;
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
