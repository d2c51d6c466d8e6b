import { closeSync, openSync, readlinkSync } from 'node:fs';
import type { OpenPlace } from './bubblewrap.js';

/** Names a file without opening it (open(2)); Node has no name for it. */
const O_PATH = 0o10000000;

/** Why a sandbox was not built; fit for callers. */
export const MOVED = 'a folder of its sandbox is not what it was when the catalogue was loaded';

/**
 * Descriptors of what a sandbox is to show, in order: whatever happens to the paths meanwhile, they mean what was there when it was
 * checked that no link leads anywhere. The caller closes them.
 * @returns null, and leaves none open, when something is not at its path
 */
export function openPlaces(places: readonly OpenPlace[]): readonly number[] | null {
  const opened: number[] = [];
  for (const { path } of places) {
    const descriptor = tryToOpen(path);
    if (descriptor !== null) opened.push(descriptor);
    if (descriptor !== null && pathOf(descriptor) === path) continue;
    for (const each of opened) closeSync(each);
    return null;
  }
  return opened;
}

/** `argv` with the numbers in it that these places have in the child. */
export function withDescriptors(argv: readonly string[], places: readonly OpenPlace[], numbers: readonly number[]): readonly string[] {
  const whole = [...argv];
  for (const [index, { argument }] of places.entries()) if (argument !== null) whole[argument] = String(numbers[index]);
  return whole;
}

function tryToOpen(path: string): number | null {
  try {
    return openSync(path, O_PATH);
  } catch {
    return null;
  }
}

/** Where it really is, links followed; null where there is no procfs. */
function pathOf(descriptor: number): string | null {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return null;
  }
}
