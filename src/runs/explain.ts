import type { Command } from '../domain/command.js';
import { GatewayError } from '../domain/errors.js';
import type { Explanation, Verdict } from '../domain/policy.js';
import type { Clock } from '../domain/ports.js';
import type { ApiKey, Principal, PrincipalId } from '../domain/principal.js';
import type { KeyStore } from '../domain/stores.js';
import { isAlive } from '../auth/key-life.js';
import { canSee } from '../auth/permissions.js';
import type { Catalogue } from '../commands/catalogue.js';
import type { PolicyCheck } from './policy-check.js';

export interface ExplainRooms {
  readonly catalogue: Catalogue;
  readonly keys: KeyStore;
  readonly policy: PolicyCheck;
  readonly clock: Clock;
}

export interface Question {
  readonly command: string;
  /** The asker's own unless it is an admin. */
  readonly keyId?: PrincipalId | undefined;
}

/** Says which rule allows or denies a key a command. */
export class Explainer {
  constructor(private readonly rooms: ExplainRooms) {}

  /**
   * @throws GatewayError `forbidden` for somebody else's key; `key_unknown`; `command_unknown`, also for a command that an asker who is no
   *   admin may not see
   */
  async explain(asker: Principal, { command: name, keyId = asker.id }: Question): Promise<Explanation> {
    if (keyId !== asker.id && asker.role !== 'admin') throw new GatewayError('forbidden', 'Only an admin asks about keys of others.');
    const command = this.rooms.catalogue.get(name);
    if (!command || !(asker.role === 'admin' || canSee(asker, command)))
      throw new GatewayError('command_unknown', 'There is no such command.');
    const rules = keyId === asker.id ? await this.rooms.policy.verdicts(asker, command) : await this.rulesOf(keyId, command);
    const denying = rules.find(({ says }) => says === 'denies');
    return { command: name, keyId, allowed: denying === undefined, deniedBy: denying?.rule ?? null, rules };
  }

  private async rulesOf(id: PrincipalId, command: Command): Promise<readonly Verdict[]> {
    const key = await this.rooms.keys.find(id);
    if (!key) throw new GatewayError('key_unknown', 'There is no key of this id.');
    const { name, role, scopes } = key;
    return [this.keyVerdict(key), ...(await this.rooms.policy.verdicts({ id, name, role, scopes, address: 'unknown' }, command))];
  }

  private keyVerdict(key: ApiKey): Verdict {
    if (isAlive(key, this.rooms.clock.now())) return { rule: 'key', says: 'allows', detail: 'The key is valid.' };
    return { rule: 'key', says: 'denies', detail: key.revokedAt === null ? 'The key has expired.' : 'The key is revoked.' };
  }
}
