import { closeSync, fsyncSync, openSync } from 'node:fs';

/** What was made or renamed in the folder outlives a power cut after that. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
