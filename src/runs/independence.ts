import type { ApiKey, Principal, PrincipalId } from '../domain/principal.js';
import type { KeyStore } from '../domain/stores.js';

/** Longer lines of keys that made keys are taken for one that never ends. */
const LONGEST_LINE = 64;

/** Who made whose key: whether two principals can be two people. */
export class Independence {
  constructor(private readonly keys: KeyStore) {}

  /**
   * Whether `other` may decide about what `requester` asked for. Not: the requester itself; a key that it made, at whatever remove; a key
   * that has a maker below the role of an admin in common with it. A maker may decide about what the keys that it made ask for.
   */
  async isIndependent(other: Principal, requester: Principal): Promise<boolean> {
    if (other.id === requester.id) return false;
    const line = await this.makersOf(other.id);
    if (line === undefined || line.some(({ id }) => id === requester.id)) return false;
    const makers = await this.makersOf(requester.id);
    if (makers === undefined) return false;
    const shared = new Set(makers.filter(({ role }) => role !== 'admin').map(({ id }) => id));
    return !line.some(({ id }) => shared.has(id));
  }

  /** The maker of a key and the key that it is a child of, those of these, and so on; undefined when there is no end to it. */
  private async makersOf(id: PrincipalId): Promise<readonly ApiKey[] | undefined> {
    const line = new Map<PrincipalId, ApiKey>();
    const own = await this.keys.find(id);
    for (const waiting = own ? [own] : []; waiting.length > 0;) {
      const { createdBy, parentId } = waiting.pop()!;
      for (const makerId of [createdBy, parentId]) {
        const maker = makerId === null || line.has(makerId) ? undefined : await this.keys.find(makerId);
        if (!maker) continue;
        line.set(maker.id, maker);
        waiting.push(maker);
      }
      if (line.size > LONGEST_LINE) return undefined;
    }
    return [...line.values()];
  }
}
