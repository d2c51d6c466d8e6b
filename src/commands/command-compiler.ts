import { hash } from 'node:crypto';
import { canonicalJson } from '../domain/audit.js';
import type { Sandbox } from '../domain/sandbox.js';
import type { CheckedArguments, Command, Invocation, Preparation } from '../domain/command.js';
import { ArgumentCheck, type ValidArguments } from './argument-check.js';
import type { CommandDeclaration } from './catalogue-schema.js';
import type { SecretName } from '../domain/secret.js';
import { approvalOf, profileOf } from './declaration-rules.js';
import { revealSecrets, type RevealedSecrets } from './kept-secrets.js';
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
  /** Credentials that the catalogue itself puts into `env`. */
  readonly envSecrets: readonly string[];
  readonly sandbox: Sandbox;
}

export interface CompilerOptions {
  /** For digests of secrets: nobody outside can try values against them, and a restart leaves them as they are. */
  readonly secretKey: Buffer;
  /** The values of secrets that the gateway keeps, in the order of their names. */
  readonly reveal: (names: readonly SecretName[]) => Promise<readonly string[]>;
  readonly defaults: { readonly timeoutMs: number; readonly outputBytes: number };
}

/** Makes the command that a valid declaration describes. Does no I/O. */
export function compileCommand(
  name: string,
  declaration: CommandDeclaration,
  surroundings: Surroundings,
  options: CompilerOptions,
): CompiledCommand {
  const check = new ArgumentCheck(declaration, surroundings.roots, options.secretKey);
  const version = versionOf(name, declaration, surroundings);
  const invoke = invokerOf(name, declaration, surroundings);
  const secrets = Object.keys(declaration.secrets).sort();
  const properties = propertiesOf(name, declaration, options);
  const { sandbox: container, roots } = surroundings;
  return Object.freeze({
    ...properties,
    version,
    container,
    fingerprint: hash('sha256', canonicalJson({ declaration, properties, ...surroundings, roots: [...roots] })),
    argumentsSchema: check.jsonSchema,
    prepare: preparer(check, { version, invoke, envSecrets: surroundings.envSecrets, reveal: revealerOf(secrets, options) }),
    secrets,
    example: exampleOf(declaration),
    places: [...container.read, ...container.write],
    argumentFromText(param: string, text: string): unknown {
      const found = Object.hasOwn(declaration.params, param) ? declaration.params[param] : undefined;
      return found && typeOf(found).fromText(text, found);
    },
  });
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

/** A builtin has no argv: its arguments stand for it. */
function argvDigest(invocation: Invocation, argsDigest: string): string {
  return invocation.kind === 'process' ? hash('sha256', `${invocation.argv.join('\0')}\0`) : argsDigest;
}

function isEmpty(raw: unknown): boolean {
  return raw === undefined || (typeof raw === 'object' && raw !== null && !Array.isArray(raw) && Object.keys(raw).length === 0);
}

function invokerOf(name: string, declaration: CommandDeclaration, surroundings: Surroundings): Invoke {
  const { file, cwd, env, sandbox } = surroundings;
  const { builtin } = declaration;
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

function propertiesOf(name: string, declaration: CommandDeclaration, { defaults }: CompilerOptions) {
  const { effect, limits, retry, phrases } = declaration;
  return {
    name,
    summary: declaration.summary,
    description: declaration.description ?? null,
    effect,
    role: declaration.role ?? (effect === 'destroy' ? ('admin' as const) : ('operator' as const)),
    approval: approvalOf(declaration),
    ignoredRules: declaration.tripwire.ignore,
    executor: declaration.builtin === undefined ? ('process' as const) : ('builtin' as const),
    timeoutMs: declaration.timeout ?? defaults.timeoutMs,
    limits: { concurrent: limits.concurrent ?? null, rate: limits.rate ?? null, outputBytes: limits.output ?? defaults.outputBytes },
    idempotent: declaration.idempotent ?? effect === 'read',
    retry: retry ?? null,
    breaker: declaration.breaker ?? null,
    cacheMs: declaration.cache ?? null,
    phrases,
    parse: declaration.output.parse,
    sandbox: declaration.builtin === undefined ? profileOf(declaration.sandbox.profile, effect) : null,
  };
}

/** Covers the declaration as written and what it was resolved to, but no value of a variable in `env`: that may be a credential. */
function versionOf(name: string, declaration: CommandDeclaration, { file, cwd, roots, sandbox }: Surroundings): string {
  return hash('sha256', canonicalJson({ name, declaration, file, cwd, roots: [...roots], sandbox }));
}

/** Required params with a value of their type, others with their default. */
function exampleOf({ params }: CommandDeclaration): Readonly<Record<string, unknown>> {
  const shown = Object.entries(params).filter(([, param]) => isRequired(param) || defaultOf(param) !== undefined);
  return Object.fromEntries(shown.map(([name, param]) => [name, defaultOf(param) ?? typeOf(param).example(param)]));
}
