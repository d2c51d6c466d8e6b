import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from '../sync-folder.js';

/** Makes the folder, for us alone, and what is missing above it. A new folder outlives a power cut once the one that names it is synced. */
export function makeDataFolder(folder: string): void {
  const topmost = mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (topmost === undefined) return;
  for (let made = folder; ; made = dirname(made)) {
    syncFolder(dirname(made));
    if (made === topmost) return;
  }
}
