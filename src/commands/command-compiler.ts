import { hash } from 'node:crypto';
import { canonicalJson } from '../domain/audit.js';
import type { BreakerPolicy, RetryPolicy } from '../domain/resilience.js';
import type { Sandbox } from '../domain/sandbox.js';
import type { CheckedArguments, Command, ExecutorKind, Invocation, Preparation } from '../domain/command.js';
import { agentRulesOf } from './agent-section.js';
import { ArgumentCheck, type ValidArguments } from './argument-check.js';
import type { CommandDeclaration } from './catalogue-schema.js';
import type { SecretName } from '../domain/secret.js';
import { GatewayError } from '../domain/errors.js';
import { approvalOf, profileOf } from './declaration-rules.js';
import { executorOf } from './executor-kind.js';
import { knowledgeInvocation } from './knowledge-section.js';
import { conversationInvocation, llmInvocation } from './llm-section.js';
import { obsInvocation } from './obs-section.js';
import { revealSecrets, type RevealedSecrets } from './kept-secrets.js';
import type { NamedFolders } from './folder-param.js';
import { HttpPlan } from './http-plan.js';
import { defaultOf, isRequired, typeOf } from './param-types.js';
import { ProcessPlan } from './process-plan.js';

/** A command with what only its declaration knows: for those who describe it to people or take words from them. */
export interface CompiledCommand extends Command {
  readonly description: string | null;
  /** Arguments that a person could start from. */
  readonly example: Readonly<Record<string, unknown>>;
  /** Files and folders that its sandbox shows, real and absolute. */
  readonly places: readonly string[];
  /** Secrets that the gateway keeps and its program gets, by name. */
  readonly secrets: readonly SecretName[];
  readonly container: Sandbox;
  /** Why it cannot be run as the gateway is set up, and what to set; null when it can. */
  readonly unavailable: string | null;
  /** Covers all that a call depends on, values of variables and settings too. Equal only within this process, and never to be shown. */
  readonly fingerprint: string;
  /** A word typed by a person as a raw value of the param; undefined when it cannot be one. */
  argumentFromText(param: string, text: string): unknown;
}

/** What a declaration refers to outside its file, found when the catalogue was loaded. */
export interface Surroundings {
  /** Absolute path of the program; null for a builtin. */
  readonly file: string | null;
  readonly cwd: string;
  /** The child's environment, variables replaced, without entries that hold a param. */
  readonly env: Readonly<Record<string, string>>;
  /** Real folders of `path` params, by name. */
  readonly roots: ReadonlyMap<string, string>;
  /** Real folders of `folder` params, by param and name. */
  readonly folders: ReadonlyMap<string, NamedFolders>;
  /** Real folders of the section `knowledge`, in its order. */
  readonly documents: readonly string[];
  /** Credentials that the catalogue itself puts into `env`. */
  readonly envSecrets: readonly string[];
  readonly sandbox: Sandbox;
}

/** And what it shares with other commands. */
export interface FullSurroundings extends Surroundings {
  readonly breaker: BreakerPolicy | null;
}

export interface CompilerOptions {
  /** For digests of secrets: nobody outside can try values against them, and a restart leaves them as they are. */
  readonly secretKey: Buffer;
  /** The values of secrets that the gateway keeps, in the order of their names. */
  readonly reveal: (names: readonly SecretName[]) => Promise<readonly string[]>;
  /** Executors that the settings leave off, each with what to set. */
  readonly off?: Readonly<Partial<Record<ExecutorKind, string>>>;
  /** Language models of the settings: their names, and the keys that no answer of theirs may show. */
  readonly models?: { readonly names: readonly string[]; readonly keys: readonly string[] };
  readonly defaults: { readonly timeoutMs: number; readonly outputBytes: number };
}

/** Makes the command that a valid declaration describes. Does no I/O. */
export function compileCommand(
  name: string,
  declared: CommandDeclaration,
  surroundings: FullSurroundings,
  options: CompilerOptions,
): CompiledCommand {
  const declaration = withFolders(declared, surroundings);
  const check = new ArgumentCheck(declaration, surroundings.roots, options.secretKey);
  const version = versionOf(name, declaration, surroundings);
  const invoke = invokerOf(name, declaration, surroundings);
  const secrets = Object.keys(declaration.secrets).sort();
  const properties = { ...propertiesOf(name, declaration, options), breaker: surroundings.breaker };
  const { sandbox: container, roots, folders } = surroundings;
  const asksModel = declaration.llm ?? declaration.knowledge?.answer;
  const envSecrets = asksModel === undefined ? surroundings.envSecrets : [...surroundings.envSecrets, ...(options.models?.keys ?? [])];
  return Object.freeze({
    ...properties,
    version,
    container,
    fingerprint: hash('sha256', canonicalJson({ declaration, properties, ...surroundings, roots: [...roots], folders: [...folders] })),
    argumentsSchema: check.jsonSchema,
    prepare: refuser(properties.unavailable) ?? preparer(check, { version, invoke, envSecrets, reveal: revealerOf(secrets, options) }),
    secrets,
    example: exampleOf(declaration),
    places: [...container.read, ...container.write],
    argumentFromText(param: string, text: string): unknown {
      const found = Object.hasOwn(declaration.params, param) ? declaration.params[param] : undefined;
      return found && typeOf(found).fromText(text, found);
    },
  });
}

/** With the real folders in place of what the catalogue says about them. */
function withFolders(declaration: CommandDeclaration, { folders }: Surroundings): CommandDeclaration {
  if (folders.size === 0) return declaration;
  const params = Object.entries(declaration.params).map(
    ([name, param]) => [name, param.type === 'folder' ? { ...param, folders: folders.get(name) ?? {} } : param] as const,
  );
  return { ...declaration, params: Object.fromEntries(params) };
}

/** What is carried out, and what of it is for the tripwire. */
type Invoke = (values: CheckedArguments) => Pick<Preparation, 'invocation' | 'inspected'>;

interface PreparerParts {
  readonly version: string;
  readonly invoke: Invoke;
  readonly envSecrets: readonly string[];
  /** Undefined where the command has no secrets of the gateway. */
  readonly reveal: (() => Promise<RevealedSecrets>) | undefined;
}

/** Refuses every call with the reason, if there is one. */
function refuser(reason: string | null): Command['prepare'] | undefined {
  return reason === null ? undefined : () => Promise.reject(new GatewayError('executor_unavailable', reason));
}

function revealerOf(names: readonly SecretName[], { reveal }: CompilerOptions): PreparerParts['reveal'] {
  return names.length === 0 ? undefined : () => revealSecrets(names, reveal);
}

function preparer(check: ArgumentCheck, { version, invoke, envSecrets, reveal }: PreparerParts): Command['prepare'] {
  const prepared = ({ values, shown, named, secrets }: ValidArguments, revealed?: RevealedSecrets): Preparation => {
    const { invocation, inspected } = invoke(revealed ? { ...values, ...revealed.values } : values);
    const argsDigest = hash('sha256', `${version}\n${canonicalJson(named)}`);
    return {
      args: shown,
      argsDigest,
      argvDigest: argvDigest(invocation, argsDigest),
      secrets: envSecrets.length === 0 && !revealed ? secrets : [...envSecrets, ...secrets, ...(revealed?.toMask ?? [])],
      inspected,
      invocation,
    };
  };
  // Asked for at each call, so that it gets the values of that moment.
  if (reveal) return async (raw) => prepared(await check.check(raw), await reveal());
  const prepare = async (raw: unknown): Promise<Preparation> => prepared(await check.check(raw));
  if (Object.keys(check.jsonSchema['properties'] ?? {}).length > 0) return prepare;
  let always: Promise<Preparation> | undefined;
  return (raw) => (isEmpty(raw) ? (always ??= prepare({})) : prepare(raw));
}

/** A builtin and a call have no argv: their arguments stand for it. */
function argvDigest(invocation: Invocation, argsDigest: string): string {
  return invocation.kind === 'process' ? hash('sha256', `${invocation.argv.join('\0')}\0`) : argsDigest;
}

function isEmpty(raw: unknown): boolean {
  return raw === undefined || (typeof raw === 'object' && raw !== null && !Array.isArray(raw) && Object.keys(raw).length === 0);
}

function invokerOf(name: string, declaration: CommandDeclaration, surroundings: Surroundings): Invoke {
  const { file, cwd, env, sandbox, documents } = surroundings;
  const { builtin, knowledge, llm, obs } = declaration;
  if (llm && declaration.agent) return () => ({ invocation: conversationInvocation(llm), inspected: [] });
  if (llm) return (args) => ({ invocation: llmInvocation(llm, args), inspected: [] });
  if (obs) return (args) => ({ invocation: obsInvocation(obs, args), inspected: [] });
  if (knowledge) return (args) => ({ invocation: knowledgeInvocation(knowledge, documents, args), inspected: [] });
  if (declaration.http) {
    const plan = new HttpPlan(declaration, declaration.http);
    return (values) => ({ invocation: plan.invocation(values), inspected: plan.inspected(values) });
  }
  if (builtin !== undefined || file === null)
    return (args) => ({
      invocation: { kind: 'builtin', name: builtin ?? name, args },
      inspected: Object.values(args).filter((value) => typeof value === 'string'),
    });
  const plan = new ProcessPlan({ name, declaration, file, cwd, env, sandbox });
  return (values) => {
    const invocation = plan.invocation(values);
    return { invocation, inspected: plan.inspected(invocation) };
  };
}

function propertiesOf(name: string, declaration: CommandDeclaration, options: CompilerOptions) {
  const { defaults } = options;
  const { effect, limits, retry, phrases } = declaration;
  return {
    name,
    summary: declaration.summary,
    description: declaration.description ?? null,
    effect,
    role: declaration.role ?? (effect === 'destroy' ? ('admin' as const) : ('operator' as const)),
    approval: approvalOf(declaration),
    ignoredRules: declaration.tripwire.ignore,
    executor: executorOf(declaration),
    unavailable: unavailableReason(declaration, options),
    timeoutMs: declaration.timeout ?? defaults.timeoutMs,
    limits: { concurrent: limits.concurrent ?? null, rate: limits.rate ?? null, outputBytes: limits.output ?? defaults.outputBytes },
    idempotent: declaration.idempotent ?? effect === 'read',
    retry: retryOf(retry),
    cacheMs: declaration.cache ?? null,
    fallback: declaration.fallback ?? null,
    phrases,
    parse: declaration.output.parse,
    agent: agentRulesOf(declaration),
    sandbox: executorOf(declaration) === 'process' ? profileOf(declaration.sandbox.profile, effect) : null,
  };
}

function unavailableReason(declaration: CommandDeclaration, { off = {}, models }: CompilerOptions): string | null {
  const { provider } = declaration.llm ?? {};
  if (provider !== undefined && !models?.names.includes(provider))
    return `The language model ${provider} is not configured: an operator has to name it in LLM_PROVIDERS.`;
  return off[executorOf(declaration)] ?? null;
}

function retryOf(retry: CommandDeclaration['retry']): RetryPolicy | null {
  if (!retry) return null;
  const { attempts, delay, maxDelay, budget, timeout, on } = retry;
  return { attempts, delayMs: delay, maxDelayMs: maxDelay, budgetMs: budget ?? null, attemptTimeoutMs: timeout ?? null, on };
}

/** Covers the declaration as written and what it was resolved to, but no value of a variable in `env`: that may be a credential. */
function versionOf(name: string, declaration: CommandDeclaration, { file, cwd, roots, sandbox, documents }: Surroundings): string {
  return hash('sha256', canonicalJson({ name, declaration, file, cwd, roots: [...roots], documents, sandbox }));
}

/** Required params with a value of their type, others with their default. */
function exampleOf({ params }: CommandDeclaration): Readonly<Record<string, unknown>> {
  const shown = Object.entries(params).filter(([, param]) => isRequired(param) || defaultOf(param) !== undefined);
  return Object.fromEntries(shown.map(([name, param]) => [name, defaultOf(param) ?? typeOf(param).example(param)]));
}
