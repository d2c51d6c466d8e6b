import { resolve } from 'node:path';
import { GatewayError } from '../domain/errors.js';
import { MasterKeyPlace } from '../domain/secret.js';
import { makeKeyFile, readKeyFile, replaceKeyFile } from './key-file.js';
import { DataDirLock } from './sqlite/data-dir-lock.js';

const NAME = 'master.key';
const DRAFT = 'master.key.next';
const LOCK = 'master.lock';

/**
 * The master key in a file of DATA_DIR, made with the first secret. A rotation writes the next key beside it, and puts that in its
 * place when the store is under it: whenever it is cut short, both keys are there.
 */
export class MasterKeyFile extends MasterKeyPlace {
  private readonly folder: string;

  constructor(private readonly dataDir: string) {
    super();
    this.folder = resolve(dataDir);
  }

  override load(): ReturnType<MasterKeyPlace['load']> {
    return attempt(() => {
      // First: between the two looks it may take the place of the other.
      const draft = readKeyFile(this.folder, DRAFT);
      return { key: readKeyFile(this.folder, NAME), draft };
    });
  }

  override make(): Buffer {
    return attempt(() => readKeyFile(this.folder, NAME) ?? makeKeyFile(this.folder, NAME));
  }

  override draft(given: Buffer | undefined): Buffer {
    if (given)
      throw new GatewayError('invalid_request', 'Without the setting SECRETS_KEY the master key is made here: no new one can be given.');
    return attempt(() => readKeyFile(this.folder, DRAFT) ?? makeKeyFile(this.folder, DRAFT));
  }

  override promote(): void {
    attempt(() => replaceKeyFile(this.folder, DRAFT, NAME));
  }

  override async exclusively<T>(work: () => Promise<T>): Promise<T> {
    const lock = new DataDirLock(this.dataDir, { name: LOCK, held: 'Another process changes the master key now. Try again.' });
    lock.acquire();
    try {
      return await work();
    } finally {
      lock.release();
    }
  }
}

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw new GatewayError('storage_unavailable', `The file ${NAME} in DATA_DIR cannot be read or made.`, { cause: error });
  }
}
