import type { AuditAction, AuditRecord } from '../domain/audit.js';
import type { AuditLog } from '../domain/audit-log.js';
import type { Command, CommandName } from '../domain/command.js';
import type { Db, Write } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';
import type { Freeze, FreezeId, FreezeTarget } from '../domain/policy.js';
import type { Clock } from '../domain/ports.js';
import { lineOf, type Principal, type PrincipalId } from '../domain/principal.js';
import type { FreezeStore } from '../domain/stores.js';
import { newId } from '../http/request-context.js';
import { matchesGlob } from '../auth/permissions.js';

export interface FreezeRooms {
  readonly store: FreezeStore;
  readonly db: Db;
  readonly audit: AuditLog;
  readonly clock: Clock;
}

/** Who throws a switch, on which request. */
export interface Freezer {
  readonly principal: Principal;
  readonly requestId: string;
}

type Subject = { readonly line: readonly PrincipalId[]; readonly command: CommandName };

/** The freeze switches: in the store, and here for every run to look at. */
export class FreezeBook {
  private active: readonly Freeze[] = [];
  /** Changes wait for each other, so that a target never has two switches. */
  private changing: Promise<unknown> = Promise.resolve();

  constructor(private readonly rooms: FreezeRooms) {}

  /** Reads the switches of the gateway before. */
  async load(): Promise<void> {
    this.active = await this.rooms.store.list();
  }

  /** Oldest first. */
  list(): readonly Freeze[] {
    return this.active;
  }

  /** The first switch that holds back the principal's runs of the command. */
  affecting(principal: Pick<Principal, 'id' | 'bounds'>, command: Pick<Command, 'name'>): Freeze | undefined {
    if (this.active.length === 0) return undefined;
    return this.active.find((freeze) => isAffected(freeze, { line: lineOf(principal), command: command.name }));
  }

  /** `frozen`, when a switch holds back the principal's runs of the command. */
  refusalOf(principal: Principal, command: Command): GatewayError | undefined {
    const freeze = this.affecting(principal, command);
    return freeze && new GatewayError('frozen', `An admin has frozen ${describeTarget(freeze.target)} (${freeze.id}): ${freeze.reason}`);
  }

  /** @throws GatewayError `frozen` */
  assertNotFrozen(principal: Principal, command: Command): void {
    const refusal = this.refusalOf(principal, command);
    if (refusal) throw refusal;
  }

  /** Throws a switch, in place of one that its target has already. Durable, and in force, when it resolves. */
  put(request: Pick<Freeze, 'target' | 'mode' | 'reason'>, freezer: Freezer): Promise<Freeze> {
    return this.change(async () => {
      const before = this.active.find(({ target }) => nameOf(target) === nameOf(request.target));
      const freeze: Freeze = { ...request, id: newId('frz'), createdAt: this.rooms.clock.now(), createdBy: freezer.principal.id };
      await this.rooms.db.commit([
        ...(before ? [removal(before.id)] : []),
        { kind: 'freeze.insert', freeze },
        this.entry('freeze.set', freeze, freezer),
      ]);
      this.active = [...this.active.filter(({ id }) => id !== before?.id), freeze];
      return freeze;
    });
  }

  /** @throws GatewayError `freeze_unknown` */
  lift(id: FreezeId, freezer: Freezer): Promise<void> {
    return this.change(async () => {
      const freeze = this.active.find((active) => active.id === id);
      if (!freeze) throw new GatewayError('freeze_unknown', 'There is no freeze of this id.');
      await this.rooms.db.commit([removal(id), this.entry('freeze.lifted', freeze, freezer)]);
      this.active = this.active.filter((active) => active !== freeze);
    });
  }

  private change<T>(work: () => Promise<T>): Promise<T> {
    const changed = this.changing.then(work);
    // Its failure is the caller's; whoever waits behind only waits for its end.
    this.changing = changed.catch(() => undefined);
    return changed;
  }

  private entry(action: AuditAction, { id, target, mode, reason }: Freeze, { principal, requestId }: Freezer): Write {
    const details: AuditRecord['details'] = { target, mode, reason, address: principal.address };
    return this.rooms.audit.appended({ action, principalId: principal.id, subject: id, requestId, details });
  }
}

/** Whether the freeze holds back runs of that command for that line of keys: a key's children are frozen with it. */
export function isAffected({ target }: Pick<Freeze, 'target'>, { line, command }: Subject): boolean {
  switch (target.kind) {
    case 'all':
      return true;
    case 'command':
      return matchesGlob(target.glob, command);
    case 'key':
      return line.includes(target.keyId);
  }
}

/** `all commands`, `the commands git.*`, `the key …`. */
export function describeTarget(target: FreezeTarget): string {
  switch (target.kind) {
    case 'all':
      return 'all commands';
    case 'command':
      return `the commands ${target.glob}`;
    case 'key':
      return `the key ${target.keyId}`;
  }
}

/** Equal for equal targets. */
function nameOf(target: FreezeTarget): string {
  return describeTarget(target);
}

function removal(id: FreezeId): Write {
  return { kind: 'freeze.remove', id };
}
