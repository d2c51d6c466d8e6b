import type { AgentRules } from '../domain/agent-rules.js';
import type { Command } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import type { PrincipalId } from '../domain/principal.js';
import type { Ticket } from '../runs/admission.js';

const GRANTED = Promise.resolve(true);

/** How many agents there may be: in all, of a command, and of a command for one key. Atomic; nobody waits. */
export class AgentPlaces {
  private readonly taken = new Map<string, number>();

  /** @param limits asked for at each claim */
  constructor(private readonly limits: { readonly total: number }) {}

  /** Agents there are now, of all commands. */
  get active(): number {
    return this.count('');
  }

  /** Agents there may be. */
  get total(): number {
    return this.limits.total;
  }

  /** @throws GatewayError `busy` */
  claim({ name, limits }: Command, { perKey }: AgentRules, key: PrincipalId): Ticket {
    const bounds: readonly (readonly [string, number | null])[] = [
      ['', this.limits.total],
      [name, limits.concurrent],
      [`${name} ${key}`, perKey],
    ];
    if (bounds.some(([of, most]) => most !== null && this.count(of) >= most))
      throw new GatewayError('busy', 'As many agents as may be are there already: end one, or wait for one to end.', {
        retryAfterSeconds: 1,
      });
    for (const [of] of bounds) this.add(of, 1);
    let isFree = false;
    return {
      immediate: true,
      granted: GRANTED,
      release: () => {
        if (isFree) return;
        isFree = true;
        for (const [of] of bounds) this.add(of, -1);
      },
    };
  }

  private count(of: string): number {
    return this.taken.get(of) ?? 0;
  }

  private add(of: string, difference: 1 | -1): void {
    const count = this.count(of) + difference;
    if (count > 0) this.taken.set(of, count);
    else this.taken.delete(of);
  }
}
