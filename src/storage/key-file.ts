import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '../domain/errors.js';
import { syncFolder } from './sync-folder.js';

const LENGTH = 32;

/**
 * The key in a file of DATA_DIR; undefined when there is no such file.
 * @throws GatewayError `storage_unavailable` when it is no key; the file system's error when it cannot be read
 */
export function readKeyFile(folder: string, name: string): Buffer | undefined {
  const key = contentOf(join(folder, name));
  if (key === undefined || key.length === LENGTH) return key;
  throw new GatewayError(
    'storage_unavailable',
    `The file ${name} in DATA_DIR is not a key of ${LENGTH} bytes. Put it back from a backup, or remove it: a new one is made then.`,
  );
}

/** It appears whole and durable or not at all; of several processes that make one at the same time the first wins, for all of them. */
export function makeKeyFile(folder: string, name: string): Buffer {
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
  const key = readKeyFile(folder, name);
  if (!key) throw new GatewayError('storage_unavailable', `The file ${name} in DATA_DIR was removed while it was made.`);
  return key;
}

/** Puts the file `from` in the place of `to`, durably: at every moment one of the two keys is there under that name. */
export function replaceKeyFile(folder: string, from: string, to: string): void {
  renameSync(join(folder, from), join(folder, to));
  syncFolder(folder);
}

function contentOf(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if (isError(error, 'ENOENT')) return undefined;
    throw error;
  }
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

function isError(error: unknown, code: 'ENOENT' | 'EEXIST'): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}
