import { resolve } from 'node:path';
import { GatewayError } from '../domain/errors.js';
import { SecretKey } from '../domain/ports.js';
import { makeKeyFile, readKeyFile } from './key-file.js';

/** The secret in a file of DATA_DIR, made at the first start. */
export class SecretKeyFile extends SecretKey {
  private key: Buffer | undefined;

  constructor(
    private readonly dataDir: string,
    private readonly name = 'secret.key',
  ) {
    super();
  }

  /**
   * Reads the file, or makes it where there is none. The folder must be there.
   * @throws GatewayError `storage_unavailable` when it cannot be read or made, or is no key: a new one would give every digest another value
   */
  open(): void {
    const folder = resolve(this.dataDir);
    try {
      this.key = readKeyFile(folder, this.name) ?? makeKeyFile(folder, this.name);
    } catch (error) {
      if (error instanceof GatewayError) throw error;
      throw new GatewayError('storage_unavailable', `The file ${this.name} in DATA_DIR cannot be read or made.`, { cause: error });
    }
  }

  get bytes(): Buffer {
    if (!this.key) throw new Error('The secret of DATA_DIR is not open.');
    return this.key;
  }
}
