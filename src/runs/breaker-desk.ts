import type { AuditLog } from '../domain/audit-log.js';
import type { Db } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import type { FailureCause } from '../domain/failure.js';
import type { Principal } from '../domain/principal.js';
import type { BreakerPolicy, BreakerStateName } from '../domain/resilience.js';
import type { RequestOrigin } from '../http/parameters.js';
import type { Breaker, BreakerCounts } from '../resilience/breaker.js';
import type { Breakers } from '../resilience/breakers.js';
import { canSee } from '../auth/permissions.js';
import type { Catalogue } from '../commands/catalogue.js';

/** A breaker as those see it who may see a command that it guards. */
export interface BreakerView extends BreakerPolicy {
  readonly state: BreakerStateName;
  /** Failures in a row, while it is closed. */
  readonly failuresInARow: number;
  /** Until it lets probes through; null unless it is open. */
  readonly retryAfterMs: number | null;
  readonly changedAt: string;
  readonly inFlight: number;
  readonly counts: BreakerCounts;
  readonly lastFailure: { readonly at: string; readonly cause: FailureCause } | null;
  /** Commands that it guards, as far as the caller may see them. */
  readonly commands: readonly string[];
}

export interface BreakerRooms {
  readonly breakers: Breakers;
  readonly catalogue: Catalogue;
  readonly audit: AuditLog;
  readonly db: Db;
}

/**
 * The circuit breakers for those who hold a key: each of them if a command is in its scopes that the breaker guards; one of the gateway's own
 * if its name is.
 */
export class BreakerDesk {
  constructor(private readonly rooms: BreakerRooms) {}

  /** By name. */
  list(principal: Principal): readonly BreakerView[] {
    return this.visibleTo(principal).map(({ breaker, commands }) => viewOf(breaker, commands));
  }

  /**
   * Closes one. It is recorded before.
   * @throws GatewayError `breaker_unknown`
   */
  async reset(name: string, origin: RequestOrigin): Promise<BreakerView> {
    const found = this.visibleTo(origin.principal).find(({ breaker }) => breaker.policy.name === name);
    if (!found) throw new GatewayError('breaker_unknown', 'There is no circuit breaker of this name.');
    await this.close([found.breaker], origin);
    return viewOf(found.breaker, found.commands);
  }

  /** Closes all that the principal may see. */
  async resetAll(origin: RequestOrigin): Promise<readonly BreakerView[]> {
    const found = this.visibleTo(origin.principal);
    const breakers = found.map(({ breaker }) => breaker);
    if (breakers.length > 0) await this.close(breakers, origin);
    return found.map(({ breaker, commands }) => viewOf(breaker, commands));
  }

  private async close(breakers: readonly Breaker[], { principal, requestId }: RequestOrigin): Promise<void> {
    const entries = breakers.map((breaker) =>
      this.rooms.audit.appended({
        action: 'breaker.reset',
        principalId: principal.id,
        subject: breaker.policy.name,
        requestId,
        details: { state: breaker.look().kind, address: principal.address },
      }),
    );
    await this.rooms.db.commit(entries);
    for (const breaker of breakers) breaker.reset();
  }

  private visibleTo(principal: Principal): readonly { readonly breaker: Breaker; readonly commands: readonly string[] }[] {
    const commands = this.rooms.catalogue.all().filter((command) => canSee(principal, command));
    return this.rooms.breakers.all().flatMap((breaker) => {
      const guarded = commands.filter((command) => command.breaker?.name === breaker.policy.name).map(({ name }) => name);
      const isOwn = this.rooms.breakers.isOwn(breaker.policy.name) && canSee(principal, breaker.policy);
      return guarded.length > 0 || isOwn ? [{ breaker, commands: guarded }] : [];
    });
  }
}

function viewOf(breaker: Breaker, commands: readonly string[]): BreakerView {
  const state = breaker.look();
  const { policy, changedAt, inFlight, counts, lastFailure } = breaker;
  return {
    ...policy,
    state: state.kind,
    failuresInARow: state.kind === 'closed' ? state.failures : 0,
    retryAfterMs: breaker.refusesForMs,
    changedAt,
    inFlight,
    counts,
    lastFailure,
    commands,
  };
}
