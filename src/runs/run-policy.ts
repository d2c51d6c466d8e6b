import { GatewayError } from '../domain/errors.js';
import type { RateCounter } from '../domain/ports.js';
import { roleAtLeast } from '../domain/principal.js';
import type { Metrics } from '../metrics/metrics.js';
import type { ApprovalDesk } from './approval-desk.js';
import type { FreezeBook } from './freeze-book.js';
import type { RunRecorder } from './run-recorder.js';
import { needsApproval, type RunWalk } from './run-walk.js';
import { blocked, tripped } from './tripped.js';

interface PolicyRooms {
  readonly freezes: FreezeBook;
  readonly approvals: ApprovalDesk;
  readonly rates: RateCounter;
  readonly metrics: Metrics;
}

/** The step `applyPolicy`: the tripwire, freezes, whether approvals and counts can be had, and the command's own rate, in this order. */
export class RunPolicy {
  constructor(
    private readonly rooms: PolicyRooms,
    private readonly recorder: RunRecorder,
  ) {}

  /** @throws GatewayError `blocked`, `frozen`, `approval_impossible`, `counters_unavailable`, `rate_limited` */
  apply(walk: RunWalk): void | Promise<void> {
    const { metrics, freezes, approvals } = this.rooms;
    const rule = tripped(walk);
    if (rule) {
      metrics.blockedCommands.inc({ rule });
      return this.recorder.refuse(walk, blocked(rule), { rule });
    }
    const frozen = freezes.refusalOf(walk.origin.principal, walk.command);
    if (frozen) return this.recorder.refuse(walk, frozen);
    if (needsApproval(walk)) approvals.assertOpen();
    return this.spendRate(walk);
  }

  private spendRate(walk: RunWalk): void | Promise<void> {
    const { name, limits } = walk.command;
    this.assertCounted(walk);
    if (limits.rate === null) return;
    return this.rooms.rates.spend(`command:${name}`, limits.rate).then(({ allowed, resetSeconds }) => {
      this.assertCounted(walk);
      if (allowed) return;
      this.rooms.metrics.rateLimited.inc({ scope: 'command' });
      throw new GatewayError('rate_limited', 'This command has been run as often as its own limit allows.', {
        retryAfterSeconds: resetSeconds,
      });
    });
  }

  /** Not for admins: whoever has to put things right gets through. */
  private assertCounted({ origin: { principal }, command: { limits } }: RunWalk): void {
    if (!this.rooms.rates.refusesRun(limits.rate) || roleAtLeast(principal.role, 'admin')) return;
    throw new GatewayError('counters_unavailable', 'Runs cannot be counted at the moment, and are refused until they can.', {
      retryAfterSeconds: 1,
    });
  }
}
