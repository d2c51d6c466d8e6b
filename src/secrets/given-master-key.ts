import { GatewayError } from '../domain/errors.js';
import { MasterKeyPlace } from '../domain/secret.js';

/** The master key of the setting SECRETS_KEY: the operator keeps it, and changes it after a rotation. */
export class GivenMasterKey extends MasterKeyPlace {
  constructor(private readonly key: Buffer) {
    super();
  }

  override load(): ReturnType<MasterKeyPlace['load']> {
    return { key: this.key, draft: undefined };
  }

  override make(): Buffer {
    return this.key;
  }

  override draft(given: Buffer | undefined): Buffer {
    if (given) return given;
    throw new GatewayError('invalid_request', 'SECRETS_KEY is set: the new master key must be given, and take its place there afterwards.');
  }

  override promote(): void {
    // The store is under the new key, and the setting is not ours to change.
  }

  /** Nothing is kept here; the store itself lets one rotation through. */
  override exclusively<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }
}
