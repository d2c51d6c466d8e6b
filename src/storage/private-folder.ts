import { readdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isAlive, processIdentity } from './sqlite/process-identity.js';

const NAME = 'private';

/** Folder for the private files of the runs of this process; it may not be there yet. One for each process: the command line runs commands as well. */
export function privateFolder(dataDir: string): string {
  // A colon separates paths in too many places.
  return join(resolve(dataDir), NAME, processIdentity().replaceAll(':', '_'));
}

/** Removes what a killed gateway left behind: files of runs that ended with it. */
export function removeAbandonedFiles(dataDir: string): void {
  const folder = join(resolve(dataDir), NAME);
  for (const name of foldersIn(folder))
    if (!isAlive(name.replaceAll('_', ':'))) rmSync(join(folder, name), { recursive: true, force: true });
}

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // No run has had private files yet.
  }
}
