import type { Command } from '../domain/command.js';
import type { Verdict } from '../domain/policy.js';
import type { RateCounter } from '../domain/ports.js';
import { type Principal, roleAtLeast } from '../domain/principal.js';
import { mayRun } from '../auth/permissions.js';
import type { Admission } from './admission.js';
import { describeTarget, type FreezeBook } from './freeze-book.js';

export interface PolicyRooms {
  readonly freezes: FreezeBook;
  readonly rates: RateCounter;
  readonly admission: Admission;
}

/** What each rule says about a principal and a command at this moment. Spends nothing. In the order in which a run meets them. */
export class PolicyCheck {
  constructor(private readonly rooms: PolicyRooms) {}

  async verdicts(principal: Principal, command: Command): Promise<readonly Verdict[]> {
    return [
      scopeVerdict(principal, command),
      roleVerdict(principal, command),
      this.freezeVerdict(principal, command),
      await this.rateVerdict(principal, command),
      this.concurrencyVerdict(principal, command),
      approvalVerdict(command),
    ];
  }

  private freezeVerdict(principal: Principal, command: Command): Verdict {
    const freeze = this.rooms.freezes.affecting(principal, command);
    if (!freeze) return { rule: 'freeze', says: 'allows', detail: 'Nothing that concerns it is frozen.' };
    return { rule: 'freeze', says: 'denies', detail: `${freeze.id} freezes ${describeTarget(freeze.target)}: ${freeze.reason}` };
  }

  private async rateVerdict({ role }: Principal, { name, limits: { rate } }: Command): Promise<Verdict> {
    if (this.rooms.rates.refusesRun(rate) && !roleAtLeast(role, 'admin'))
      return { rule: 'rate', says: 'denies', detail: 'Runs cannot be counted at the moment, and are refused until they can.' };
    if (rate === null) return { rule: 'rate', says: 'allows', detail: 'The command has no rate of its own.' };
    const { remaining, limit, resetSeconds } = await this.rooms.rates.peek(`command:${name}`, rate);
    const detail = `${remaining} of ${limit} runs are left in this window, which ends in ${resetSeconds} s.`;
    return { rule: 'rate', says: remaining > 0 ? 'allows' : 'denies', detail };
  }

  private concurrencyVerdict(principal: Principal, { name, limits: { concurrent } }: Command): Verdict {
    const isFree = this.rooms.admission.isFree({ command: name, concurrent, principal });
    const own = concurrent === null ? 'no limit of its own' : `a limit of ${concurrent} at one time`;
    return {
      rule: 'concurrency',
      says: isFree ? 'allows' : 'waits',
      detail: `The command has ${own}; ${isFree ? 'a slot is free' : 'it would wait for a slot'}.`,
    };
  }
}

function scopeVerdict(principal: Principal, command: Command): Verdict {
  const scopes = principal.scopes.join(', ');
  return mayRun(principal, command) === 'invisible'
    ? { rule: 'scope', says: 'denies', detail: `None of the scopes of the key (${scopes}) matches the command.` }
    : { rule: 'scope', says: 'allows', detail: `A scope of the key (${scopes}) matches the command.` };
}

function roleVerdict(principal: Principal, command: Command): Verdict {
  const allowed = mayRun({ ...principal, scopes: ['*'] }, command) === 'allowed';
  return { rule: 'role', says: allowed ? 'allows' : 'denies', detail: `The command takes ${command.role}; the key is ${principal.role}.` };
}

function approvalVerdict({ approval }: Command): Verdict {
  return approval === 'none'
    ? { rule: 'approval', says: 'allows', detail: 'The command needs no approval.' }
    : { rule: 'approval', says: 'waits', detail: 'A run waits until somebody else who may run the command approves it.' };
}
