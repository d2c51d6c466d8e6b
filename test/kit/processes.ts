import { readdirSync, readlinkSync } from 'node:fs';
import { isAlive } from '../fixtures/fixture.js';

/** Ids of the living processes whose working directory is this folder or lies in it. A program, its hosts and their children work in its home. */
export function processesIn(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && worksIn(name, folder))
    .map(Number)
    .filter(isAlive);
}

function worksIn(pid: string, folder: string): boolean {
  try {
    return `${readlinkSync(`/proc/${pid}/cwd`)}/`.startsWith(`${folder}/`);
  } catch {
    return false; // It has ended, or is another user's.
  }
}
