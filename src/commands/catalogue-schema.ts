import { z } from 'zod';
import { scopeSchema } from '../auth/auth.schemas.js';
import { parseDuration, parseRate, parseSize } from '../config/units.js';
import { AGENT_FRAMINGS } from '../domain/agent-rules.js';
import { APPROVALS, EFFECTS, FALLBACKS, OUTPUT_PARSERS } from '../domain/command.js';
import { FAILURE_KINDS } from '../domain/failure.js';
import { TRIPWIRE_RULES } from '../domain/tripwire.js';
import { SANDBOX_PROFILES } from '../domain/sandbox.js';
import { secretNameSchema } from '../secrets/secret-value.js';
import { httpSchema } from './http-declaration.js';
import { knowledgeSchema } from './knowledge-schema.js';
import { llmSchema } from './llm-schema.js';
import { obsSchema } from './obs-schema.js';
import { paramSchema } from './param-types.js';
import { INTERPRETERS } from './scripts.js';
import { secretPlacement } from './secret-placement.js';

const DAY_MS = 86_400_000;
const MAX_OUTPUT_BYTES = 256 * 1024 ** 2;
const MAX_MEMORY_BYTES = 1024 ** 4;
const MAX_INSTRUCTION_BYTES = 1024 ** 2;
const MAX_CONVERSATION_BYTES = 4 * 1024 ** 2;

/** A quantity written as a word (`30s`, `1MiB`, `100/min`) and read as what it means. */
function word<T>(parse: (text: string) => T | undefined, expectation: string, example: string) {
  return z
    .string({ error: `expected ${expectation}` })
    .meta({ examples: [example] })
    .transform((text, context): T => {
      const value = parse(text);
      if (value !== undefined) return value;
      context.addIssue({ code: 'custom', message: `expected ${expectation}` });
      return z.NEVER;
    });
}

function within(parse: (text: string) => number | undefined, most: number) {
  return (text: string) => {
    const value = parse(text);
    return value !== undefined && value >= 1 && value <= most ? value : undefined;
  };
}

const time = (expectation: string, example: string) => word(within(parseDuration, DAY_MS), expectation, example);

/** Whether a name would be found on every object. */
function isInherited(name: string): boolean {
  return name in {};
}

/** Names of commands: dotted lower-case words, at most 64 characters. */
export const commandNameSchema = z
  .string()
  .max(64, { error: 'expected a name of at most 64 characters' })
  .regex(/^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)*$/, { error: 'expected a name such as git.log: lower-case words joined by dots' })
  .refine((name) => !name.split('.').some(isInherited), { error: 'is a name that every object has' });

const paramNameSchema = z
  .string()
  .max(64, { error: 'expected a name of at most 64 characters' })
  .regex(/^[a-z][A-Za-z0-9_]*$/, { error: 'expected a name such as maxCount' })
  .refine((name) => !isInherited(name), { error: 'is a name that every object has' });

const element = z.union(
  [
    z.string().max(131_071),
    z
      .strictObject({
        if: z.string().meta({ description: 'Name of a param' }),
        add: z.array(z.string()).min(1).meta({ description: 'Elements that are there only if the param is given and not false' }),
      })
      .meta({ description: 'Elements that depend on a param' }),
  ],
  { error: 'expected text (numbers in quotes) or { if: param, add: [..] }' },
);
export type ExecElement = z.output<typeof element>;

const script = z.strictObject({
  interpreter: z.enum(INTERPRETERS, { error: `expected one of ${INTERPRETERS.join(', ')}` }),
  text: z.string().min(1).max(131_071).meta({ description: 'The script itself; nothing is replaced in it' }),
  args: z.array(element).default([]).meta({ description: 'Positional parameters; placeholders as in `exec`' }),
});

const limits = z.strictObject({
  concurrent: z.int().min(1).max(10_000).optional().meta({ description: 'Runs at one time' }),
  rate: word(parseRate, 'a rate such as 30/min (per s, min, h or d)', '30/min').optional(),
  output: word(within(parseSize, MAX_OUTPUT_BYTES), 'a size from 1B to 256MiB, such as 1MiB', '1MiB').optional(),
  memory: word(within(parseSize, MAX_MEMORY_BYTES), 'a size from 1B to 1TiB, such as 512MiB', '512MiB')
    .optional()
    .meta({ description: 'Memory; 1GiB in a sandbox' }),
  processes: z.int().min(1).max(100_000).optional().meta({ description: 'Processes and threads at one time; 256 in a sandbox' }),
  cpu: time('a duration from 1ms to 24h, such as 10s', '10s')
    .optional()
    .meta({ description: 'Processor time of each process, in whole seconds' }),
  file: word(within(parseSize, MAX_MEMORY_BYTES), 'a size from 1B to 1TiB, such as 100MiB', '100MiB')
    .optional()
    .meta({ description: 'Size of each file that is written; 1GiB in a sandbox' }),
  openFiles: z.int().min(8).max(1_000_000).optional().meta({ description: 'Descriptors of each process; 1024 in a sandbox' }),
});

const breakerName = z.string().regex(/^[a-z][a-z0-9_.-]{0,63}$/, { error: 'expected a name such as git' });
const causes = z
  .array(z.enum(FAILURE_KINDS, { error: `expected one of ${FAILURE_KINDS.join(', ')}` }))
  .min(1)
  .default([...FAILURE_KINDS]);

const retry = z.strictObject({
  attempts: z.int().min(1).max(5).meta({ description: 'The first one counts' }),
  delay: time('a duration from 1ms to 24h, such as 100ms', '100ms')
    .prefault('100ms')
    .meta({ description: 'The longest wait before the second attempt; it doubles before each further one' }),
  maxDelay: time('a duration from 1ms to 24h, such as 1s', '1s').prefault('1s'),
  budget: time('a duration from 1ms to 24h, such as 20s', '20s')
    .optional()
    .meta({ description: 'No attempt begins later than this after the first one began' }),
  timeout: time('a duration from 1ms to 24h, such as 5s', '5s').optional().meta({ description: 'How long each attempt may take' }),
  on: causes.meta({ description: 'Causes that are tried again; all unless given' }),
});

const breaker = z.union(
  [
    breakerName,
    z.strictObject({
      name: breakerName.optional().meta({ description: 'The name of the command unless given' }),
      failures: z.int().min(1).max(1_000).default(5).meta({ description: 'So many in a row open it' }),
      recovery: time('a duration from 1ms to 24h, such as 30s', '30s').prefault('30s').meta({ description: 'How long it refuses' }),
      probes: z.int().min(1).max(100).default(1).meta({ description: 'Attempts that it lets through after that' }),
      concurrent: z.int().min(1).max(10_000).optional().meta({ description: 'Attempts at one time, over all commands that share it' }),
      on: causes.meta({ description: 'Causes that it counts; all unless given' }),
    }),
  ],
  { error: 'expected a name such as git, or a mapping' },
);
export type BreakerDeclaration = z.output<typeof breaker>;

const tripwire = z.strictObject({
  ignore: z
    .array(z.enum(TRIPWIRE_RULES, { error: `expected one of ${TRIPWIRE_RULES.join(', ')}` }))
    .default([])
    .meta({ description: 'Rules that do not hold for this command' }),
});

const folders = z.array(z.string().min(1).max(4_096)).max(64).default([]);
const sandbox = z.strictObject({
  profile: z
    .enum(SANDBOX_PROFILES, { error: `expected one of ${SANDBOX_PROFILES.join(', ')}` })
    .optional()
    .meta({ description: 'What the program may reach; `pure` for a command that reads, else `workspace`' }),
  read: folders.meta({ description: 'Files and folders it sees beside those of the system and the roots of its path params' }),
  write: folders.meta({ description: 'Folders it may write to' }),
});

const agent = z
  .strictObject({
    framing: z
      .enum(AGENT_FRAMINGS, { error: `expected ${AGENT_FRAMINGS.join(' or ')}` })
      .optional()
      .meta({ description: 'How its program reads instructions and writes answers' }),
    terminator: z
      .string()
      .min(1)
      .max(200)
      .regex(/^[^\p{Cc}]*$/u, { error: 'expected one line of text' })
      .optional()
      .meta({ description: 'With `line`: the line that ends an answer; an answer is one line unless given' }),
    idle: time('a duration from 1ms to 24h, such as 5min', '5min')
      .prefault('5min')
      .meta({ description: 'Without an instruction for so long it is ended' }),
    life: time('a duration from 1ms to 24h, such as 1h', '1h').prefault('1h').meta({ description: 'It is ended at this age' }),
    perKey: z
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .meta({ description: 'Agents of one key at one time; `limits.concurrent` holds for all keys' }),
    instruction: word(within(parseSize, MAX_INSTRUCTION_BYTES), 'a size from 1B to 1MiB, such as 16KiB', '16KiB')
      .prefault('16KiB')
      .meta({ description: 'Size of one instruction' }),
    restart: z
      .boolean()
      .default(false)
      .meta({ description: 'The next instruction starts the program anew when it crashed or did not answer' }),
    tools: z
      .array(scopeSchema)
      .min(1)
      .max(100)
      .optional()
      .meta({ description: 'With `llm`: commands that the model may have run, of those that the key may run' }),
    rounds: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .meta({ description: 'With `llm`: how often the model is asked for one instruction; 8 unless given' }),
    memory: word(within(parseSize, MAX_CONVERSATION_BYTES), 'a size from 1B to 4MiB, such as 64KiB', '64KiB')
      .optional()
      .meta({ description: 'With `llm`: how much of the conversation the model is told again; 64KiB unless given' }),
  })
  .meta({
    description:
      'Its program stays and takes instructions on stdin, or its model in a conversation: `timeout` and `limits.output` hold for each of them',
  });

/** One command as a catalogue file declares it. */
export const commandSchema = z.strictObject({
  summary: z.string().min(1).max(200).meta({ description: 'One line: what it does' }),
  description: z.string().max(4_000).optional().meta({ description: 'What a person should know before running it' }),
  exec: z
    .array(element)
    .min(1)
    .optional()
    .meta({ description: 'argv; "{x}" as a whole element or as the tail of "--name={x}" is replaced' }),
  script: script.optional().meta({ description: 'A fixed script; arguments arrive as positional parameters' }),
  builtin: z.string().optional().meta({ description: 'Name of a function of the gateway itself' }),
  knowledge: knowledgeSchema.optional(),
  obs: obsSchema.optional(),
  llm: llmSchema.optional(),
  http: httpSchema
    .optional()
    .meta({ description: 'A call to a service; placeholders in `url`, `headers`, `json` and `form` are replaced' }),
  agent: agent.optional(),
  params: z.record(paramNameSchema, paramSchema).default({}),
  effect: z.enum(EFFECTS, { error: `expected one of ${EFFECTS.join(', ')}` }).meta({ description: 'What it does to the world' }),
  role: z
    .enum(['operator', 'admin'], { error: 'expected operator or admin (a readonly key never runs anything)' })
    .optional()
    .meta({ description: 'Lowest role that may run it; operator, or admin for `destroy`' }),
  approval: z
    .enum(APPROVALS, { error: `expected ${APPROVALS.join(' or ')}` })
    .optional()
    .meta({ description: 'Whether a run waits until somebody else approves it; required for `destroy`, else none' }),
  timeout: time('a duration from 1ms to 24h, such as 30s', '30s').optional(),
  limits: limits.prefault({}),
  idempotent: z.boolean().optional().meta({ description: 'Whether twice is as good as once; true for `read`' }),
  retry: retry.optional(),
  breaker: breaker.optional().meta({ description: 'Circuit breaker; commands may share one by its name' }),
  cache: time('a duration from 1ms to 24h, such as 5s', '5s').optional(),
  fallback: z
    .enum(FALLBACKS, { error: `expected ${FALLBACKS.join(' or ')}` })
    .optional()
    .meta({ description: 'What is answered when it fails: the last result that was cached' }),
  phrases: z
    .array(z.string().min(1).max(200))
    .max(50)
    .default([])
    .meta({ description: 'Free text that means this command; {x} takes one word, a last {x...} all that are left' }),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, { error: 'expected the name of a variable' }), z.string())
    .default({})
    .meta({ description: 'Added to PATH, HOME and LANG; nothing else is inherited' }),
  secrets: z
    .record(secretNameSchema, secretPlacement)
    .default({})
    .meta({ description: 'Secrets that the gateway keeps, by name, and how the program gets them' }),
  cwd: z.string().min(1).optional().meta({ description: 'Working directory; / unless given' }),
  stdin: z.string().optional().meta({ description: 'The param that goes to stdin, as "{x}"' }),
  sandbox: sandbox.prefault({}),
  tripwire: tripwire.prefault({}),
  output: z.strictObject({ parse: z.enum(OUTPUT_PARSERS).default('text') }).prefault({}),
  optional: z.boolean().default(false).meta({ description: 'Leave the command out, with a warning, where its program is not installed' }),
});

export type CommandDeclaration = z.output<typeof commandSchema>;

/** A whole catalogue file. */
export const catalogueFileSchema = z.strictObject({ commands: z.record(commandNameSchema, commandSchema) });
