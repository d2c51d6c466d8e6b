import { LRUCache } from 'lru-cache';
import { canonicalJson } from '../domain/audit.js';
import { GatewayError } from '../domain/errors.js';
import type { Verdict } from '../domain/policy.js';
import type { TripwireRule } from '../domain/tripwire.js';
import type { Catalogue } from '../commands/catalogue.js';
import type { Redaction } from '../redaction/redaction.js';
import { authorise } from './authorise.js';
import type { PlanBook } from './plan-book.js';
import { type PlanView, presentExecution } from './plan-view.js';
import type { PolicyCheck } from './policy-check.js';
import { resolveCommand } from './resolve-command.js';
import type { RunRequest } from './run-request.js';
import { type RunOrigin, RunWalk } from './run-walk.js';
import type { Sealer } from './seal.js';
import { tripped } from './tripped.js';

export interface PlanRooms {
  readonly catalogue: Catalogue;
  readonly plans: PlanBook;
  readonly sealer: Sealer;
  readonly policy: PolicyCheck;
  readonly redaction: Redaction;
  /** How long an idempotency key gives the same plan: no longer than the plan itself. */
  readonly expiryMs: number;
}

interface Repeatable {
  readonly request: string;
  readonly view: Promise<PlanView>;
}

const MOST_REPEATABLE = 10_000;

/** Goes the way of a run as far as nothing is spent, recorded or started, and shows what it found. */
export class PlanService {
  private readonly repeatable: LRUCache<string, Repeatable>;

  constructor(private readonly rooms: PlanRooms) {
    this.repeatable = new LRUCache({ max: MOST_REPEATABLE, ttl: rooms.expiryMs });
  }

  /**
   * The same request with the same idempotency key gets the same plan while that can be run.
   * @throws GatewayError as a run would: `command_unknown`, `forbidden`, `invalid_arguments`; `idempotency_mismatch`
   */
  plan(request: RunRequest, origin: RunOrigin): Promise<PlanView> {
    const { principal, idempotencyKey } = origin;
    if (idempotencyKey === undefined) return this.make(request, origin);
    const name = `${principal.id}\0${idempotencyKey}`;
    const asked = canonicalJson(request);
    const before = this.repeatable.get(name);
    if (before && before.request !== asked)
      throw new GatewayError('idempotency_mismatch', 'This Idempotency-Key stands for a plan of another command or other arguments.');
    if (before) return before.view;
    const view = this.make(request, origin);
    this.repeatable.set(name, { request: asked, view });
    // A refusal is no plan: the next try looks again.
    view.catch(() => this.repeatable.delete(name));
    return view;
  }

  private async make(request: RunRequest, origin: RunOrigin): Promise<PlanView> {
    const { catalogue, plans, sealer, policy } = this.rooms;
    const walk = new RunWalk(request, origin);
    resolveCommand(walk, catalogue, plans);
    authorise(walk);
    const { command, args } = walk;
    const preparation = await command.prepare(args);
    walk.preparation = preparation;
    const seal = await sealer.seal(origin.principal.id, command, preparation);
    const verdicts = [tripwireVerdict(tripped(walk)), ...(await policy.verdicts(origin.principal, command))];
    const isDenied = verdicts.some(({ says }) => says === 'denies');
    const kept = isDenied ? undefined : plans.keep(origin.principal, { command, args }, seal);
    return {
      planId: kept?.id ?? null,
      expiresAt: kept?.expiresAt ?? null,
      ...presentExecution(command, preparation, { seal, redaction: this.rooms.redaction }),
      verdicts,
    };
  }
}

function tripwireVerdict(rule: TripwireRule | undefined): Verdict {
  return rule === undefined
    ? { rule: 'tripwire', says: 'allows', detail: 'Nothing in the arguments trips it.' }
    : { rule: 'tripwire', says: 'denies', detail: `The arguments look like something that does harm (${rule}).` };
}
