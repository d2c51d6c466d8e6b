import type { Command, Preparation } from '../domain/command.js';
import type { Write } from '../domain/db.js';
import type { GatewayError } from '../domain/errors.js';
import type { IdempotencyClaim } from '../domain/idempotency.js';
import type { Run, RunOutcome } from '../domain/run.js';
import type { RunClaim } from '../auth/key-budgets.js';
import type { RequestOrigin } from '../http/parameters.js';
import { newId } from '../http/request-context.js';
import type { Ticket } from './admission.js';
import type { LiveRun } from './live-run.js';
import type { KeptPlan } from './plan-book.js';
import type { Seal } from './seal.js';
import type { CachedResult } from './result-cache.js';
import type { RunRequest } from './run-request.js';

/** Who asks, and under which request. The same for every door. */
export type RunOrigin = RequestOrigin;

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
  /** admit */
  cached: CachedResult | undefined;
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
  /** execute */
  startedAt = 0;
  attempts = 0;
  truncated = false;
  redactions = 0;

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
