import type { AuditLog } from '../domain/audit-log.js';
import type { AuditAction } from '../domain/audit.js';
import type { Db } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import type { Principal } from '../domain/principal.js';
import type { RunId } from '../domain/run.js';
import type { Metrics } from '../metrics/metrics.js';
import { mayRun } from '../auth/permissions.js';
import type { Independence } from './independence.js';
import type { RunWalk } from './run-walk.js';

export interface ApprovalRooms {
  readonly audit: AuditLog;
  readonly db: Db;
  readonly independence: Independence;
  readonly metrics: Metrics;
  readonly expiryMs: number;
}

/** What became of a run that waited. */
export type Decision =
  { readonly kind: 'approved' } | { readonly kind: 'rejected'; readonly refusal: GatewayError } | { readonly kind: 'aborted' };

/** A run that waits, and what it waits for. */
export interface Parked {
  readonly walk: RunWalk;
  /** ISO-8601 UTC. */
  readonly expiresAt: string;
}

interface Waiting extends Parked {
  readonly timer: NodeJS.Timeout;
  /** Somebody's approval is being recorded: nobody else decides meanwhile. */
  deciding: boolean;
  decide(decision: Decision): void;
}

/** Who decides, on which request. */
export interface Decider {
  readonly principal: Principal;
  readonly requestId: string;
}

/** Where runs wait until somebody else approves them. They hold no slot. Each is decided once. */
export class ApprovalDesk {
  private readonly waiting = new Map<RunId, Waiting>();
  private isOpen = false;

  constructor(private readonly rooms: ApprovalRooms) {}

  /** From here on others can come and approve: this process serves. */
  open(): void {
    this.isOpen = true;
  }

  /** @throws GatewayError `approval_impossible` in a process that serves nobody: the run would wait for ever */
  assertOpen(): void {
    if (!this.isOpen)
      throw new GatewayError(
        'approval_impossible',
        'This command waits for approval, which only a running server takes: send the run there.',
      );
  }

  /** Parks the walk until it is decided, until its time is up, or until its run is ended from outside. */
  wait(walk: RunWalk): Promise<Decision> {
    const { live } = walk;
    const { promise, resolve } = Promise.withResolvers<Decision>();
    if (live.signal.aborted) return Promise.resolve({ kind: 'aborted' });
    const { id } = live.run;
    const leave = () => waiting.decide({ kind: 'aborted' });
    const waiting: Waiting = {
      walk,
      expiresAt: new Date(Date.now() + this.rooms.expiryMs).toISOString(),
      deciding: false,
      timer: setTimeout(() => this.expire(id), this.rooms.expiryMs).unref(),
      decide: (decision) => {
        clearTimeout(waiting.timer);
        live.signal.removeEventListener('abort', leave);
        this.waiting.delete(id);
        resolve(decision);
      },
    };
    live.signal.addEventListener('abort', leave, { once: true });
    this.waiting.set(id, waiting);
    return promise;
  }

  /** Runs that wait and that the principal asked for or may run itself, oldest first. */
  list(principal: Principal): readonly Parked[] {
    return [...this.waiting.values()].filter((waiting) => isVisible(waiting, principal));
  }

  /** Ends the waiting of all: a gateway that shuts down starts none of them. */
  get parked(): readonly RunWalk[] {
    return [...this.waiting.values()].map(({ walk }) => walk);
  }

  /**
   * Lets the run start, exactly as it was sealed. `recheck` looks once more whether everything is as it was.
   * @throws GatewayError `run_unknown`; `forbidden` for the requester, its keys, and those who may not run the command; `plan_void` when
   *   something has changed, or the fingerprint is another one; `conflict` when somebody else decides; whatever `recheck` refuses with
   */
  async approve(id: RunId, decider: Decider, fingerprint: string, recheck: (walk: RunWalk) => Promise<void>): Promise<RunWalk> {
    const waiting = await this.claim(id, decider);
    try {
      if (waiting.walk.seal?.fingerprint !== fingerprint)
        throw new GatewayError('plan_void', 'This is not the fingerprint of what waits here: look at it again.');
      await recheck(waiting.walk);
      await this.rooms.db.commit([{ kind: 'run.approve', id }, this.entry('approval.granted', waiting, decider)]);
    } catch (error) {
      this.giveBack(waiting, error, fingerprint);
      throw error;
    }
    this.rooms.metrics.approvals.inc({ decision: 'granted' });
    waiting.decide({ kind: 'approved' });
    return waiting.walk;
  }

  /** Ends the run unstarted. @throws GatewayError `run_unknown`, `forbidden`, `conflict`, `storage_unavailable` */
  async deny(id: RunId, decider: Decider): Promise<RunWalk> {
    const waiting = await this.claim(id, decider);
    try {
      await this.rooms.db.commit([this.entry('approval.denied', waiting, decider)]);
    } catch (error) {
      this.giveBack(waiting, error);
      throw error;
    }
    this.rooms.metrics.approvals.inc({ decision: 'denied' });
    waiting.decide({
      kind: 'rejected',
      refusal: new GatewayError('approval_denied', 'Somebody else has looked at the run and denied it.'),
    });
    return waiting.walk;
  }

  /** Of those who decide at the same time one gets the run; the others are told so. */
  private async claim(id: RunId, decider: Decider): Promise<Waiting> {
    const { principal } = decider;
    const waiting = this.waiting.get(id);
    if (!waiting || !isVisible(waiting, principal))
      throw new GatewayError('run_unknown', 'There is no run of this id that waits for approval.');
    const refusal = await this.refusalOf(waiting, principal);
    if (refusal) {
      await this.rooms.db.commit([this.entry('approval.refused', waiting, decider)]);
      throw refusal;
    }
    if (waiting.deciding || this.waiting.get(id) !== waiting)
      throw new GatewayError('conflict', 'Somebody else has decided about this run, or is just doing so.');
    waiting.deciding = true;
    return waiting;
  }

  private async refusalOf({ walk: { command, origin } }: Waiting, principal: Principal): Promise<GatewayError | undefined> {
    if (mayRun(principal, command) !== 'allowed')
      return new GatewayError('forbidden', 'Who decides about a run must be allowed to run its command.');
    if (await this.rooms.independence.isIndependent(principal, origin.principal)) return undefined;
    return new GatewayError(
      'forbidden',
      'Nobody decides about their own run, nor does a key that the requester made or shares a maker with.',
    );
  }

  private expire(id: RunId): void {
    const waiting = this.waiting.get(id);
    if (!waiting || waiting.deciding) return;
    this.rooms.metrics.approvals.inc({ decision: 'expired' });
    waiting.decide({ kind: 'rejected', refusal: new GatewayError('approval_expired', 'Nobody approved the run in time.') });
  }

  /** What was to be approved is no more: the run ends. Any other trouble leaves it waiting, as long as it has time. */
  private giveBack(waiting: Waiting, error: unknown, fingerprint?: string): void {
    const isVoid = error instanceof GatewayError && error.code === 'plan_void' && fingerprint === waiting.walk.seal?.fingerprint;
    if (isVoid) return waiting.decide({ kind: 'rejected', refusal: error });
    waiting.deciding = false;
    if (waiting.expiresAt <= new Date().toISOString()) this.expire(waiting.walk.live.run.id);
  }

  private entry(action: AuditAction, { walk }: Waiting, { principal, requestId }: Decider) {
    const { command, seal, preparation, origin, live } = walk;
    return this.rooms.audit.appended({
      action,
      principalId: principal.id,
      subject: live.run.id,
      requestId,
      details: {
        command: command.name,
        requester: origin.principal.id,
        fingerprint: seal?.fingerprint,
        argvDigest: preparation.argvDigest,
        address: principal.address,
      },
    });
  }
}

function isVisible({ walk: { command, origin } }: Waiting, principal: Principal): boolean {
  return origin.principal.id === principal.id || mayRun(principal, command) === 'allowed';
}
