import type { MasterKeyPlace } from '../domain/secret.js';
import { masterKey, type MasterKey } from './envelope.js';

/** The master keys at hand, by id. The disk is looked at for a key that is not known yet, and for no other. */
export class KeyRing {
  private known: ReadonlyMap<string, MasterKey> = new Map();

  constructor(private readonly place: MasterKeyPlace) {}

  /** Another process may have changed the key since the last look; keys that are no longer kept are forgotten then. */
  find(id: string): MasterKey | undefined {
    if (!this.known.has(id)) this.look();
    return this.known.get(id);
  }

  /** The key for a store that is under none; made where there is none. */
  first(): MasterKey {
    return masterKey(this.place.make());
  }

  private look(): void {
    const { key, draft } = this.place.load();
    const found = [key, draft].flatMap((bytes) => (bytes ? masterKey(bytes) : []));
    this.known = new Map(found.map((master) => [master.id, master]));
  }
}
