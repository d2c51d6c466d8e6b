import type { AgentRules } from './agent-rules.js';
import type { ChatRequest, Question } from './llm.js';
import type { TargetRules } from './outgoing.js';
import type { TripwireRule } from './tripwire.js';
import type { Role } from './principal.js';
import type { Rate } from './rate.js';
import type { BreakerPolicy, RetryPolicy } from './resilience.js';
import type { ResourceLimits, Sandbox, SandboxProfile } from './sandbox.js';

/** Dotted lower-case name, unique in the catalogue: `git.log`. */
export type CommandName = string;

/** What a command does to the world. */
export const EFFECTS = ['read', 'change', 'destroy'] as const;
export type Effect = (typeof EFFECTS)[number];

/** The executors that exist. */
export const EXECUTOR_KINDS = ['process', 'builtin', 'http', 'knowledge', 'llm', 'obs'] as const;
export type ExecutorKind = (typeof EXECUTOR_KINDS)[number];

/** Whether somebody else must look at a run before it starts. */
export const APPROVALS = ['required', 'none'] as const;
export type Approval = (typeof APPROVALS)[number];

export const FALLBACKS = ['stale'] as const;
export type Fallback = (typeof FALLBACKS)[number];

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
  readonly retry: RetryPolicy | null;
  /** The circuit breaker that guards it. */
  readonly breaker: BreakerPolicy | null;
  readonly cacheMs: number | null;
  /** What is answered when it cannot be carried out: `stale`, the last result that was cached, however old. */
  readonly fallback: Fallback | null;
  readonly phrases: readonly string[];
  readonly parse: OutputParser;
  /** For a command whose program takes instructions: it is started as an agent, and no other way. */
  readonly agent: AgentRules | null;
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
export type Invocation =
  | ProcessInvocation
  | BuiltinInvocation
  | HttpInvocation
  | KnowledgeInvocation
  | LlmInvocation
  | ObsInvocation
  | ConversationInvocation
  | InstructionInvocation;

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

/** A question to folders of documents, or the wish that what changed in them is read. */
export interface KnowledgeInvocation {
  readonly kind: 'knowledge';
  /** Real and absolute, each with the name by which its documents are cited. */
  readonly folders: readonly { readonly folder: string; readonly name: string }[];
  readonly work:
    | { readonly kind: 'search'; readonly question: string; readonly limit: number }
    /** A search whose passages a language model answers from, where there is one. */
    | ({ readonly kind: 'answer'; readonly question: string; readonly limit: number } & Pick<
        ChatRequest,
        'provider' | 'model' | 'maxTokens'
      >)
    | { readonly kind: 'refresh' };
}

/** A question to a language model. */
export interface LlmInvocation {
  readonly kind: 'llm';
  readonly chat: Question;
  /** Whether its answer is output piece by piece, as it comes. */
  readonly stream: boolean;
  /** Whether the audit log has what is asked. */
  readonly isAudited: boolean;
}

/** Requests to OBS Studio, one after the other. `data` goes with each; only a single one has any. */
export interface ObsInvocation {
  readonly kind: 'obs';
  /** Names of obs-websocket 5. */
  readonly requests: readonly string[];
  readonly data: Readonly<Record<string, unknown>>;
}

export interface HttpInvocation {
  readonly kind: 'http';
  readonly method: string;
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** The same as people may see it, secrets masked. The address holds none. */
  readonly shown: { readonly headers: Readonly<Record<string, string>>; readonly body: string | null };
  readonly target: TargetRules;
  /** Redirects that are followed. */
  readonly redirects: number;
  /** Statuses that are a success; null: any of 2xx. */
  readonly expected: readonly number[] | null;
}

/** A conversation with a language model, which goes on for as long as its agent lives. */
export interface ConversationInvocation {
  readonly kind: 'conversation';
  /** How it begins, and what holds for each question. */
  readonly opening: Question;
}

/** An instruction to an agent, which is there already. */
export interface InstructionInvocation {
  readonly kind: 'instruction';
  readonly text: string;
  /** Tokens of a language model that it may take; null where it asks none. */
  readonly tokens: number | null;
}
