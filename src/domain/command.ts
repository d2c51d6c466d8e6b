import type { TripwireRule } from './tripwire.js';
import type { Role } from './principal.js';
import type { Rate } from './rate.js';
import type { ResourceLimits, Sandbox, SandboxProfile } from './sandbox.js';

/** Dotted lower-case name, unique in the catalogue: `git.log`. */
export type CommandName = string;

/** What a command does to the world. */
export const EFFECTS = ['read', 'change', 'destroy'] as const;
export type Effect = (typeof EFFECTS)[number];

/** The executors that exist. */
export const EXECUTOR_KINDS = ['process', 'builtin'] as const;
export type ExecutorKind = (typeof EXECUTOR_KINDS)[number];

/** Whether somebody else must look at a run before it starts. */
export const APPROVALS = ['required', 'none'] as const;
export type Approval = (typeof APPROVALS)[number];

export const OUTPUT_PARSERS = ['text', 'lines', 'json'] as const;
export type OutputParser = (typeof OUTPUT_PARSERS)[number];

/** A declared operation, resolved and ready to run. Immutable; a reload makes new ones. */
export interface Command {
  readonly name: CommandName;
  readonly summary: string;
  readonly effect: Effect;
  readonly role: Role;
  readonly approval: Approval;
  /** Rules of the tripwire that do not hold for it. */
  readonly ignoredRules: readonly TripwireRule[];
  readonly executor: ExecutorKind;
  readonly timeoutMs: number;
  readonly limits: { readonly concurrent: number | null; readonly rate: Rate | null; readonly outputBytes: number };
  /** Whether running it twice is as good as once. `read` commands are; others only when declared. */
  readonly idempotent: boolean;
  readonly retry: { readonly attempts: number } | null;
  /** Name of the circuit breaker that guards it. */
  readonly breaker: string | null;
  readonly cacheMs: number | null;
  readonly phrases: readonly string[];
  readonly parse: OutputParser;
  /** What its program may reach; null for one that starts no program. */
  readonly sandbox: SandboxProfile | null;
  /** SHA-256 (hex) over the declaration: two runs with the same version ran the same declaration. */
  readonly version: string;
  /** JSON Schema (draft 2020-12) of the arguments object: what REST, OpenAPI, MCP, CLI and forms show. */
  readonly argumentsSchema: Readonly<Record<string, unknown>>;
  /**
   * Raw arguments → validated arguments → what the executor carries out. The one check for every door.
   * @throws GatewayError `invalid_arguments` with one entry per mistake, paths relative to `args`
   */
  prepare(args: unknown): Promise<Preparation>;
}

/** Checked arguments: plain data, canonical (defaults filled in, values converted). Secrets are replaced by a digest. */
export type CheckedArguments = Readonly<Record<string, unknown>>;

export interface Preparation {
  /** Safe to store, to log and to hash: values of `secret` params appear as `«secret»`. */
  readonly args: CheckedArguments;
  /** Equal for equal calls, secrets included (as a keyed digest): the cache's and audit's name for the arguments. */
  readonly argsDigest: string;
  /** SHA-256 (hex) over argv, each element closed by a NUL: what a plan shows, what the audit log says and what is started. */
  readonly argvDigest: string;
  /** What the caller put in, as the program will see it: what the tripwire reads. Empty when nothing can be put in. */
  readonly inspected: readonly string[];
  /** Exact secret values of this call, for the redactor. */
  readonly secrets: readonly string[];
  readonly invocation: Invocation;
}

/** What an executor carries out. Everything is resolved; nothing is inherited. */
export type Invocation = ProcessInvocation | BuiltinInvocation;

export interface ProcessInvocation {
  readonly kind: 'process';
  /** Absolute path, resolved when the catalogue was loaded. */
  readonly file: string;
  /** argv[0] included. No element is ever read by a shell. An element may be a reference to one of `files`. */
  readonly argv: readonly string[];
  /** The whole environment of the child. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Bytes for stdin (UTF-8); null means /dev/null. */
  readonly stdin: string | null;
  /**
   * Private files to write (0600, in a folder of their own, removed after the run) before the start. The path of the file
   * takes the place of `placeholder` wherever that is a whole element of `argv` or ends an `--option=` element.
   */
  readonly files: readonly { readonly placeholder: string; readonly content: string }[];
  readonly sandbox: Sandbox;
  readonly limits: ResourceLimits;
}

export interface BuiltinInvocation {
  readonly kind: 'builtin';
  /** Name of the function in the executor's table. */
  readonly name: string;
  readonly args: CheckedArguments;
}
