import type { CheckedArguments, CommandName } from './command.js';
import type { CallFault } from './outgoing.js';
import type { PrincipalId } from './principal.js';

/** `run_` and a UUIDv7 without dashes: sorts by time of acceptance. */
export type RunId = string;

/** What ended a run from outside, beside a person's cancel. `flood`: the program of an agent that wrote without end; `key_ended`: the
 * key of an agent was revoked or has expired. */
export type Canceller = PrincipalId | 'client_gone' | 'shutdown' | 'flood' | 'key_ended';

/** How a run ended. */
export type RunOutcome =
  /** The program ended by itself. Ended by a signal, `code` is 128 + its number, as shells have it, and `signal` names it. */
  | { readonly kind: 'exited'; readonly code: number; readonly signal?: string; readonly fallback?: StaleFallback }
  | { readonly kind: 'timed_out'; readonly afterMs: number }
  | { readonly kind: 'cancelled'; readonly by: Canceller }
  /** Accepted, then refused before its start. */
  | { readonly kind: 'rejected'; readonly reason: string }
  | { readonly kind: 'failed_to_start'; readonly reason: string }
  /** The service that was called answered; `expected`: with a status that the command declares, or any of 2xx. */
  | { readonly kind: 'answered'; readonly status: number; readonly expected: boolean; readonly fallback?: StaleFallback }
  /** It did not, or not to the end. `sent`: it may have got the request, and what it did is unknown. */
  | { readonly kind: 'unanswered'; readonly fault: CallFault; readonly sent: boolean }
  /** The gateway went away while the run was under way; what the command did is unknown. */
  | { readonly kind: 'lost' };

/** How a run ended that did what it was asked to, if its code or its status says so. */
export type OwnEnd = Extract<RunOutcome, { kind: 'exited' | 'answered' }>;

/** The program did not end so this time: it is the last result that was cached, `ageMs` old, given in place of this outcome. */
export interface StaleFallback {
  readonly ageMs: number;
  readonly insteadOf: Exclude<RunOutcome['kind'], 'cancelled'>;
}

/** `awaiting_approval`: recorded, holding no slot, until somebody else says that it may start. */
export const RUN_STATUSES = [
  'awaiting_approval',
  'queued',
  'running',
  'succeeded',
  'failed',
  'timed_out',
  'cancelled',
  'rejected',
  'lost',
] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

/** The status of an ended run. */
export function statusOf(outcome: RunOutcome): RunStatus {
  switch (outcome.kind) {
    case 'exited':
      return outcome.code === 0 ? 'succeeded' : 'failed';
    case 'answered':
      return outcome.expected ? 'succeeded' : 'failed';
    case 'failed_to_start':
    case 'unanswered':
      return 'failed';
    case 'timed_out':
    case 'cancelled':
    case 'rejected':
    case 'lost':
      return outcome.kind;
  }
}

/** What aborts a run: the reason of its AbortController's signal. The first cause is the outcome. */
export type AbortCause = Extract<RunOutcome, { kind: 'timed_out' | 'cancelled' }>;

export type OutputStream = 'stdout' | 'stderr';

/** A piece of redacted output. `seq` counts from 1 over both streams of a run, without gaps. */
export interface OutputChunk {
  readonly stream: OutputStream;
  readonly seq: number;
  readonly data: string;
}

/** One execution of a command. Instants are ISO-8601 UTC. */
export interface Run {
  readonly id: RunId;
  readonly command: CommandName;
  readonly commandVersion: string;
  readonly principalId: PrincipalId;
  readonly args: CheckedArguments;
  readonly requestId: string;
  readonly status: RunStatus;
  readonly outcome: RunOutcome | null;
  /** More output came than the command's limit lets through. */
  readonly truncated: boolean;
  /** How many things the redactor masked. */
  readonly redactions: number;
  readonly cached: boolean;
  readonly attempts: number;
  readonly queuedAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** From start to end, milliseconds, on the monotonic clock. */
  readonly durationMs: number | null;
}

/** What a run tells its listeners. The last one is always `finished`. */
export type RunEvent =
  | { readonly kind: 'parked'; readonly run: Run }
  | { readonly kind: 'started'; readonly run: Run }
  | { readonly kind: 'output'; readonly chunk: OutputChunk }
  | { readonly kind: 'finished'; readonly run: Run };
