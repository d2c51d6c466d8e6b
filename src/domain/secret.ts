/** Upper-case name of a secret that the gateway keeps: `GITHUB_TOKEN`. Params are lower-case, so no placeholder can mean both. */
export type SecretName = string;

/** A secret as it is stored: nothing in it can be read without the master key. */
export interface StoredSecret {
  readonly name: SecretName;
  /** From 1, one more with each value that is set. */
  readonly version: number;
  /** Names the master key that `wrappedKey` is under. All secrets of a store are under the same one. */
  readonly keyId: string;
  /** The secret's own data key, encrypted with the master key; base64. */
  readonly wrappedKey: string;
  /** The value, encrypted with the data key; base64. */
  readonly sealed: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** The secrets as they are stored. Writing goes through `Db`. */
export abstract class SecretStore {
  /** Those of these names that there are, in this order. */
  abstract find(names: readonly SecretName[]): Promise<readonly StoredSecret[]>;
  /** By name. */
  abstract list(): Promise<readonly StoredSecret[]>;
  /** The master key that all of them are under; null before the first was set. */
  abstract keyId(): Promise<string | null>;
}

/** Where the master key is kept: 32 bytes, given by a setting or made by us in a file. */
export abstract class MasterKeyPlace {
  /** Reads the disk. `draft` is the key that is to follow, while a rotation is under way or after it was cut short. */
  abstract load(): { readonly key: Buffer | undefined; readonly draft: Buffer | undefined };
  /** The key; in a file it is made, durably, where there is none. */
  abstract make(): Buffer;
  /**
   * The key that is to follow, durable but not yet in place: in a file one that we make, and the same until it is in place; for a
   * setting the one that the operator gives.
   * @throws GatewayError `invalid_request` when one must be given, or must not
   */
  abstract draft(given: Buffer | undefined): Buffer;
  /** Puts the draft in the place of the key, which is gone then; a setting is for its operator to change. */
  abstract promote(): void;
  /**
   * Lets one process at a time change what is kept here.
   * @throws GatewayError `conflict` when another one does
   */
  abstract exclusively<T>(work: () => Promise<T>): Promise<T>;
}
