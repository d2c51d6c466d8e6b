import { z } from 'zod';
import type { Command, HttpInvocation, Invocation, LlmInvocation, Preparation, ProcessInvocation } from '../domain/command.js';
import { POLICY_RULES, type Verdict } from '../domain/policy.js';
import { SANDBOX_PROFILES } from '../domain/sandbox.js';
import type { Redaction } from '../redaction/redaction.js';
import type { Seal } from './seal.js';

const nullableInt = z.int().nullable();
export const verdictSchema = z
  .object({
    rule: z.enum(POLICY_RULES),
    says: z.enum(['allows', 'waits', 'denies']),
    detail: z.string(),
  })
  .meta({ id: 'Verdict' });

const executionFields = {
  command: z.string(),
  commandVersion: z.string().meta({ description: 'SHA-256 of the declaration' }),
  args: z.record(z.string(), z.unknown()).readonly().meta({ description: 'Checked, defaults filled in; secrets masked' }),
  executable: z
    .object({ path: z.string(), sha256: z.string().nullable() })
    .nullable()
    .meta({ description: 'The program; null for a builtin. Its digest is null where it cannot be read' }),
  argv: z
    .array(z.string())
    .nullable()
    .meta({ description: 'Exactly as it would be started; `{file:x}` stands for the path of a private file' }),
  request: z
    .object({
      method: z.string(),
      url: z.string(),
      headers: z.record(z.string(), z.string()).readonly(),
      body: z.string().nullable(),
      expected: z.array(z.int()).readonly().nullable().meta({ description: 'Statuses that are a success; null: any of 2xx' }),
      redirects: z.int().meta({ description: 'Redirects that are followed' }),
    })
    .nullable()
    .meta({ description: 'What would be sent, secrets masked; null for all that is no call to a service' }),
  chat: z
    .object({
      provider: z.string().nullable().meta({ description: 'Null: the first that is configured' }),
      model: z.string().nullable().meta({ description: 'Null: that of the provider' }),
      messages: z.array(z.object({ role: z.enum(['system', 'user']), content: z.string() })).readonly(),
      maxTokens: z.int(),
    })
    .nullable()
    .meta({ description: 'What a language model would be asked, secrets masked; null for all other commands' }),
  argvDigest: z.string().meta({ description: 'SHA-256 over argv, each element closed by a NUL; the audit log has it too' }),
  environment: z.array(z.string()).meta({ description: 'Names of all variables the program gets' }),
  cwd: z.string().nullable(),
  stdin: z.boolean().meta({ description: 'Whether something is written to its stdin' }),
  files: z.array(z.string()).meta({ description: 'Params that are handed over in private files' }),
  sandbox: z.object({ profile: z.enum(SANDBOX_PROFILES), read: z.array(z.string()), write: z.array(z.string()) }).nullable(),
  limits: z.object({
    timeoutMs: z.number(),
    outputBytes: z.int(),
    concurrent: nullableInt,
    rate: z.object({ count: z.int(), windowMs: z.int() }).nullable(),
    cpuSeconds: nullableInt,
    memoryBytes: nullableInt,
    processes: nullableInt,
    fileBytes: nullableInt,
    openFiles: nullableInt,
  }),
  fingerprint: z.string().meta({ description: 'Names all of it, secrets included: one changed byte gives another' }),
};

/** What would be carried out, as its requester and its approvers see it. */
export const executionSchema = z.object(executionFields);
export type ExecutionView = z.output<typeof executionSchema>;

export const planSchema = z
  .object({
    planId: z.string().nullable().meta({ description: 'Runs exactly this, once; null when a rule denies' }),
    expiresAt: z.iso.datetime().nullable(),
    ...executionFields,
    verdicts: z.array(verdictSchema),
  })
  .meta({ id: 'Plan' });
export type PlanView = Omit<z.output<typeof planSchema>, 'verdicts'> & { readonly verdicts: readonly Verdict[] };

/** No value of a variable, of stdin or of a file: any of them may be a secret. */
export function presentExecution(
  command: Command,
  preparation: Preparation,
  { seal, redaction }: { readonly seal: Seal; readonly redaction: Redaction },
): ExecutionView {
  const { invocation, args, argvDigest } = preparation;
  const program = invocation.kind === 'process' ? invocation : undefined;
  return {
    command: command.name,
    commandVersion: command.version,
    args,
    executable: program ? { path: program.file, sha256: seal.executableDigest } : null,
    argv: program ? program.argv.map(presentElement) : null,
    request: invocation.kind === 'http' ? presentRequest(invocation) : null,
    chat: invocation.kind === 'llm' ? presentChat(invocation, redaction) : null,
    argvDigest,
    environment: program ? Object.keys(program.env).sort() : [],
    cwd: program?.cwd ?? null,
    stdin: typeof program?.stdin === 'string',
    files: program ? program.files.map(({ placeholder }) => placeholder.slice(2, -1)) : [],
    sandbox: program ? { profile: program.sandbox.profile, read: [...program.sandbox.read], write: [...program.sandbox.write] } : null,
    limits: limitsOf(command, invocation),
    fingerprint: seal.fingerprint,
  };
}

function presentRequest({ method, url, shown, expected, redirects }: HttpInvocation): ExecutionView['request'] {
  return { method, url, headers: shown.headers, body: shown.body, expected, redirects };
}

function presentChat({ chat }: LlmInvocation, redaction: Redaction): ExecutionView['chat'] {
  const { provider = null, model = null, maxTokens, messages } = chat;
  return { provider, model, maxTokens, messages: messages.map(({ role, content }) => ({ role, content: redaction.text(content).text })) };
}

function limitsOf({ timeoutMs, limits }: Command, invocation: Invocation): ExecutionView['limits'] {
  const { outputBytes, concurrent, rate } = limits;
  return { timeoutMs, outputBytes, concurrent, rate, ...(invocation.kind === 'process' ? invocation.limits : NO_LIMITS) };
}

const NO_LIMITS: ProcessInvocation['limits'] = { cpuSeconds: null, memoryBytes: null, processes: null, fileBytes: null, openFiles: null };

/** The reference to a private file begins with a NUL, which no argument holds. */
function presentElement(element: string): string {
  return element.replace(/\0\{(\w+)\}$/, '{file:$1}');
}
