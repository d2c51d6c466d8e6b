import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GatewayError } from '../domain/errors.js';
import { SecretKey } from '../domain/ports.js';

const LENGTH = 32;

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
      this.key = read(folder, this.name) ?? make(folder, this.name);
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

/** Undefined when there is no such file. */
function read(folder: string, name: string): Buffer | undefined {
  const key = contentOf(join(folder, name));
  if (key === undefined || key.length === LENGTH) return key;
  throw new GatewayError(
    'storage_unavailable',
    `The file ${name} in DATA_DIR is not a key of ${LENGTH} bytes. Put it back from a backup, or remove it: a new one is made then.`,
  );
}

function contentOf(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if (isError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** It appears whole and durable or not at all; of several processes that make one at the same time the first wins, for all of them. */
function make(folder: string, name: string): Buffer {
  const draft = join(folder, `.${name}.${randomBytes(8).toString('hex')}`);
  try {
    writeDurably(draft);
    linkSync(draft, join(folder, name));
  } catch (error) {
    if (!isError(error, 'EEXIST')) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  syncFolder(folder);
  const key = read(folder, name);
  if (!key) throw new GatewayError('storage_unavailable', `The file ${name} in DATA_DIR was removed while it was made.`);
  return key;
}

function writeDurably(file: string): void {
  const descriptor = openSync(file, 'wx', 0o600);
  try {
    writeSync(descriptor, randomBytes(LENGTH));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function isError(error: unknown, code: 'ENOENT' | 'EEXIST'): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}
