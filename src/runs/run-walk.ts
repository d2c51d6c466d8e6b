import type { Command, CommandName, Preparation } from '../domain/command.js';
import type { Write } from '../domain/db.js';
import type { RequestFacts } from '../domain/error-tracker.js';
import type { GatewayError } from '../domain/errors.js';
import type { ModelUsage } from '../domain/llm.js';
import type { IdempotencyClaim } from '../domain/idempotency.js';
import type { Run, RunOutcome } from '../domain/run.js';
import { NO_SPAN } from '../domain/tracing.js';
import type { RunClaim } from '../auth/key-budgets.js';
import type { TokenClaim } from '../auth/token-budgets.js';
import type { RequestOrigin } from '../http/parameters.js';
import { newId } from '../http/request-context.js';
import type { Ticket } from './admission.js';
import type { Flight } from './flights.js';
import type { LiveRun } from './live-run.js';
import type { OutputCollector } from './output-collector.js';
import type { KeptPlan } from './plan-book.js';
import type { Seal } from './seal.js';
import type { CachedResult } from './result-cache.js';
import type { RunRequest } from './run-request.js';

/** Who asks, and under which request. The same for every door. */
export type RunOrigin = RequestOrigin;

/** What may be told of the request when something fails under it. */
export function factsOf({ principal, requestId, traceparent, door }: RunOrigin, command?: CommandName): RequestFacts {
  return {
    requestId,
    traceId: traceparent.slice(3, 35),
    method: door?.method ?? '',
    route: door?.route ?? '',
    command,
    keyId: principal.id,
  };
}

/** One run on its way along the path. Each field is set by the step that its comment names and read by later ones only. */
export class RunWalk {
  /** resolve */
  command!: Command;
  /** resolve: as the caller gave them, or as a phrase's slots did */
  args: unknown;
  /** recogniseRepeat: the idempotency key that leads to this walk's run until it is released */
  claim: IdempotencyClaim | undefined;
  /** recogniseRepeat: the run of an earlier request with the same key, which ends the walk */
  replay: LiveRun | undefined;
  /** checkArguments */
  preparation!: Preparation;
  /** resolve: the plan that the caller asked for by its id */
  plan: KeptPlan | undefined;
  /** checkArguments: exactly what would run, where that is bound to a plan or an approval */
  seal: Seal | undefined;
  /** admit: the run as it counts against the bounds of its caller's key, if that is bound */
  runClaim: RunClaim | undefined;
  /** admit: the tokens that it may take, of a command that asks a language model for a key that is bound to a number of them */
  tokenClaim: TokenClaim | undefined;
  /** admit: of a command that declares a cache */
  cacheKey: string | undefined;
  /** admit, execute: the result of another run, which is this one's too */
  cached: CachedResult | undefined;
  /** admit: a run under way with the same call, to wait for */
  joined: Flight | undefined;
  /** admit, execute: what others wait for, who came with the same call */
  flight: Flight | undefined;
  /** admit */
  ticket: Ticket | undefined;
  /** admit */
  live!: LiveRun;
  /** recordIntent: still to be written, with the outcome, where nothing outside this process is started */
  unrecordedIntent: readonly Write[] | undefined;
  /** awaitApproval, where nobody approved it; else execute */
  outcome!: RunOutcome;
  /** awaitApproval, execute: why the run was rejected, for whoever waits */
  refusal: GatewayError | undefined;
  /** before the first step: the whole walk, where it is followed */
  span = NO_SPAN;
  /** execute */
  startedAt = 0;
  attempts = 0;
  truncated = false;
  redactions = 0;
  /** execute: what language models took for it, over all attempts */
  usage: ModelUsage | undefined;
  /** execute: how long it has waited for another run that was under way, milliseconds; its timeout includes them */
  waitedMs = 0;
  /** execute: output that is not shown yet, where something else may take its place */
  keptBack: OutputCollector | undefined;

  constructor(
    readonly request: RunRequest,
    readonly origin: RunOrigin,
  ) {}
}

/** The run of a walk that is admitted. */
export function newRun(walk: RunWalk, queuedAt: string): Run {
  const { command, preparation, origin } = walk;
  return {
    id: newId('run'),
    command: command.name,
    commandVersion: command.version,
    principalId: origin.principal.id,
    args: preparation.args,
    requestId: origin.requestId,
    status: needsApproval(walk) ? 'awaiting_approval' : 'queued',
    outcome: null,
    truncated: false,
    redactions: 0,
    cached: false,
    attempts: 0,
    queuedAt,
    startedAt: null,
    finishedAt: null,
    durationMs: null,
  };
}

export function needsApproval({ command }: RunWalk): boolean {
  return command.approval === 'required';
}

/** Whether the outcome is known before anything was started. */
export function isSettled({ outcome }: Partial<RunWalk>): boolean {
  return outcome !== undefined;
}
