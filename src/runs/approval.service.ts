import { GatewayError } from '../domain/errors.js';
import type { Clock } from '../domain/ports.js';
import type { Principal } from '../domain/principal.js';
import type { Run, RunId } from '../domain/run.js';
import type { KeyStore } from '../domain/stores.js';
import { isAlive } from '../auth/key-life.js';
import { mayRun } from '../auth/permissions.js';
import type { Catalogue } from '../commands/catalogue.js';
import type { ApprovalDesk, Decider, Parked } from './approval-desk.js';
import type { FreezeBook } from './freeze-book.js';
import type { RunWalk } from './run-walk.js';
import type { Sealer } from './seal.js';

export interface ApprovalServiceRooms {
  readonly desk: ApprovalDesk;
  readonly catalogue: Catalogue;
  readonly sealer: Sealer;
  readonly freezes: FreezeBook;
  readonly keys: KeyStore;
  readonly clock: Clock;
}

/** What people do at the {@link ApprovalDesk}. An approval is for what was sealed, and for nothing that has changed since. */
export class ApprovalService {
  constructor(private readonly rooms: ApprovalServiceRooms) {}

  list(principal: Principal): readonly Parked[] {
    return this.rooms.desk.list(principal);
  }

  /** @throws GatewayError as {@link ApprovalDesk.approve}; `frozen`, which leaves the run waiting */
  async approve(id: RunId, decider: Decider, fingerprint: string): Promise<Run> {
    return (await this.rooms.desk.approve(id, decider, fingerprint, (walk) => this.recheck(walk))).live.run;
  }

  /** @throws GatewayError as {@link ApprovalDesk.deny} */
  async deny(id: RunId, decider: Decider): Promise<Run> {
    return (await this.rooms.desk.deny(id, decider)).live.run;
  }

  private async recheck(walk: RunWalk): Promise<void> {
    const { command, args, origin, seal } = walk;
    const { catalogue, freezes, sealer } = this.rooms;
    freezes.assertNotFrozen(origin.principal, command);
    await this.assertStillMay(walk);
    if (catalogue.get(command.name)?.version !== command.version)
      throw isVoid('The command was declared anew since the run was asked for.');
    const preparation = await command.prepare(args).catch((error: unknown) => {
      if (error instanceof GatewayError && error.code === 'invalid_arguments') throw isVoid('The arguments do not hold any more.');
      throw error;
    });
    const now = await sealer.seal(origin.principal.id, command, preparation);
    if (now.fingerprint !== seal?.fingerprint) throw isVoid('What would run now is not what was asked for.');
  }

  /** The requester's key may have ended, or been narrowed, while its run waited. */
  private async assertStillMay({ origin: { principal }, command }: RunWalk): Promise<void> {
    const key = await this.rooms.keys.find(principal.id);
    if (!key || !isAlive(key, this.rooms.clock.now())) throw isVoid('The key of the requester is not valid any more.');
    if (mayRun({ ...principal, role: key.role, scopes: key.scopes }, command) !== 'allowed')
      throw isVoid('The requester may not run the command any more.');
  }
}

function isVoid(detail: string): GatewayError {
  return new GatewayError('plan_void', detail);
}
