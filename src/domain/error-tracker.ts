import type { CommandName } from './command.js';
import type { ErrorCode } from './errors.js';
import type { PrincipalId } from './principal.js';
import type { RunId, RunStatus } from './run.js';

/** Everything that is ever reported: what only a human can put right. These words leave the host, and no others that describe it. */
export const FAILURES = {
  internal: 'something failed for a fault of the gateway',
  store_unwritable: 'the store cannot be written; nothing runs until it can',
  audit_contradicted: 'the audit log contradicts a checkpoint and is not signed any more',
  secrets_unreadable: 'stored secrets cannot be decrypted',
  executor_host_lost: 'an executor host went away; its runs are lost',
  unhandled: 'an error that nobody handled stopped the gateway',
} as const;

export type FailureName = keyof typeof FAILURES;

/** The request that something happened under. */
export interface RequestFacts {
  readonly requestId: string;
  /** 32 hex digits. */
  readonly traceId: string;
  readonly method: string;
  /** The route's template, never the address. */
  readonly route: string;
  /** The command that it led to, where it came so far. */
  readonly command: CommandName | undefined;
  readonly keyId: PrincipalId | undefined;
}

export interface Failure {
  readonly name: FailureName;
  /** What was thrown, where something was. */
  readonly error?: unknown;
  /** What the caller was told. */
  readonly code?: ErrorCode;
  readonly request?: RequestFacts;
  /** The run that was under way. */
  readonly runId?: RunId;
}

/** A request that is over. */
export interface TracedRequest extends RequestFacts {
  /** 16 hex digits. */
  readonly spanId: string;
  readonly status: number;
  readonly durationMs: number;
}

/** What happened before a failure, for whoever looks for its cause. */
export type Happening =
  | { readonly kind: 'run finished'; readonly command: CommandName; readonly status: RunStatus; readonly runId: RunId }
  | { readonly kind: 'catalogue replaced' }
  | { readonly kind: 'settings changed' };

export interface ErrorTrackingStats {
  /** Whether there is a place to report to. */
  readonly enabled: boolean;
  /** Events, transactions and profiles that the peer has taken. */
  readonly sent: number;
  /** Kept back: the same cause again, too many in a moment, or the peer asked for less. */
  readonly dropped: number;
  /** Lost on the way: the peer could not be reached, was too slow, or refused them. */
  readonly failed: number;
  /** When something was last reported; ISO-8601 UTC. */
  readonly last_error_at: string | null;
  /** When something was last lost; ISO-8601 UTC. */
  readonly last_failure_at: string | null;
}

/** Tells a human far away what only a human can put right. Never throws, never waits, and fails nothing when it fails. */
export abstract class ErrorTracker {
  /** Once for each cause; the same cause again soon is only counted. */
  abstract report(failure: Failure): void;
  /** Whether the next request is one of those that are traced. Asked once a request. */
  abstract samples(): boolean;
  abstract trace(request: TracedRequest): void;
  abstract note(happening: Happening): void;
  abstract stats(): ErrorTrackingStats;
  /** Sends what is on its way, for at most two seconds. Reports nothing after that. */
  abstract close(): Promise<void>;
}
