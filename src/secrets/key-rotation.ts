import { GatewayError } from '../domain/errors.js';
import type { MasterKeyPlace } from '../domain/secret.js';
import { masterKey, rewrapSecret, type MasterKey } from './envelope.js';
import { retryingConflicts } from './retrying-conflicts.js';
import { unreadableSecrets, type Manager, type SecretRooms } from './secret.service.js';

/** What a rotation did. Ids of master keys, and how many secrets are under the new one. */
export interface Rotation {
  readonly from: string;
  readonly to: string;
  readonly secrets: number;
}

/**
 * Puts the secrets under another master key. The new key is durable before the store is under it, the store changes in one
 * transaction, and only then does the old key go: wherever it is cut short, the key that the store is under is there.
 */
export class KeyRotation {
  constructor(
    private readonly rooms: SecretRooms,
    private readonly place: MasterKeyPlace,
  ) {}

  /**
   * @param given the new key, 32 bytes, where the present one is given by a setting
   * @throws GatewayError `conflict` when there is nothing to rotate, or another rotation is under way; `secrets_unreadable` when one
   *   of the secrets cannot be decrypted; `invalid_request` as {@link MasterKeyPlace.draft}. Nothing is changed then.
   */
  rotate(given: Buffer | undefined, manager: Manager): Promise<Rotation> {
    return this.place.exclusively(async () => {
      await this.settleNow();
      const next = masterKey(this.place.draft(given));
      const rotation = await retryingConflicts(() => this.rewrapAll(next, manager));
      this.place.promote();
      return rotation;
    });
  }

  /** Finishes a rotation that was cut short after the store had changed. Leaves one that is under way to whoever does it. */
  async settle(): Promise<void> {
    if (this.place.load().draft === undefined) return;
    try {
      await this.place.exclusively(() => this.settleNow());
    } catch (error) {
      if (!(error instanceof GatewayError && error.code === 'conflict')) throw error;
    }
  }

  private async settleNow(): Promise<void> {
    const { draft } = this.place.load();
    if (draft && masterKey(draft).id === (await this.rooms.store.keyId())) this.place.promote();
  }

  private async rewrapAll(next: MasterKey, { principal, requestId }: Manager): Promise<Rotation> {
    const { store, ring, db, audit } = this.rooms;
    const [keyBefore, stored] = [await store.keyId(), await store.list()];
    if (keyBefore === null) throw new GatewayError('conflict', 'No secret was ever set: there is no master key to change.');
    if (keyBefore === next.id) throw new GatewayError('conflict', 'The secrets are under this master key already.');
    const present = ring.find(keyBefore);
    const rewrapped = stored.map((secret) => present && rewrapSecret(secret, present, next));
    const unreadable = stored.filter((_secret, index) => !rewrapped[index]);
    if (unreadable.length > 0) throw unreadableSecrets(unreadable.map(({ name }) => name));
    const secrets = rewrapped.filter((secret) => secret !== undefined);
    const details = { from: keyBefore, to: next.id, secrets: secrets.length };
    await db.commit([
      { kind: 'secret.rewrap', secrets, keyBefore, keyAfter: next.id },
      audit.appended({ action: 'secret.key_rotated', principalId: principal.id, subject: 'secrets', requestId, details }),
    ]);
    return details;
  }
}
