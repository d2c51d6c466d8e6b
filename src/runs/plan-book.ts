import { LRUCache } from 'lru-cache';
import type { Command } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import type { Principal, PrincipalId } from '../domain/principal.js';
import { newId } from '../http/request-context.js';
import type { Seal } from './seal.js';

/** A plan that may be run once, by the one who made it. */
export interface KeptPlan {
  readonly id: string;
  readonly principalId: PrincipalId;
  readonly command: Pick<Command, 'name' | 'version'>;
  /** As the caller gave them. */
  readonly args: unknown;
  readonly fingerprint: string;
  /** ISO-8601 UTC. */
  readonly expiresAt: string;
  used: boolean;
}

/** Plans of one principal: more push out its oldest, and nobody else's. */
const MOST_OF_ONE = 100;
const MOST_PRINCIPALS = 1_000;

/** The plans that can still be run. They live in memory: a restart voids them. */
export class PlanBook {
  private readonly plans = new LRUCache<PrincipalId, LRUCache<string, KeptPlan>>({ max: MOST_PRINCIPALS });

  constructor(private readonly expiryMs: number) {}

  keep(principal: Principal, plan: Pick<KeptPlan, 'command' | 'args'>, { fingerprint }: Seal): KeptPlan {
    const kept: KeptPlan = {
      ...plan,
      id: newId('plan'),
      principalId: principal.id,
      fingerprint,
      expiresAt: new Date(Date.now() + this.expiryMs).toISOString(),
      used: false,
    };
    const own = this.plans.get(principal.id) ?? new LRUCache<string, KeptPlan>({ max: MOST_OF_ONE, ttl: this.expiryMs });
    own.set(kept.id, kept);
    this.plans.set(principal.id, own);
    return kept;
  }

  /**
   * Also one that was used: a request that comes again with its idempotency key is answered with its run.
   * @throws GatewayError `plan_unknown`: never made, expired, or somebody else's; these look alike
   */
  find(principal: Principal, id: string): KeptPlan {
    const plan = this.plans.get(principal.id)?.get(id);
    if (!plan) throw unknownPlan();
    return plan;
  }

  /** @throws GatewayError `plan_unknown` the second time */
  use(plan: KeptPlan): void {
    if (plan.used) throw unknownPlan();
    plan.used = true;
  }
}

function unknownPlan(): GatewayError {
  return new GatewayError('plan_unknown', 'There is no such plan: it may have expired, or have been run. Make another one.');
}
