import { closeSync, readdirSync, readFileSync } from 'node:fs';

const CLOSE_ON_EXEC = 0o2000000;
const DESCRIPTORS = '/proc/self/fdinfo';

/**
 * Closes what whoever started the gateway left open in it (a supervisor's pipe, a listening socket): programs would inherit it.
 * Node opens everything of its own close-on-exec, so what lacks that flag is not its own. Where there is no procfs, nothing is done.
 */
export function closeInheritedDescriptors(): void {
  for (const descriptor of list().map(Number)) if (descriptor > 2 && isInherited(descriptor)) closeSync(descriptor);
}

/** How many descriptors this process may have open; infinite where it cannot be told. Node raises the soft limit to the hard one. */
export function descriptorLimit(): number {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return limit === undefined ? Infinity : Number(limit);
  } catch {
    return Infinity;
  }
}

function list(): string[] {
  try {
    return readdirSync(DESCRIPTORS);
  } catch {
    return [];
  }
}

function isInherited(descriptor: number): boolean {
  try {
    const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`${DESCRIPTORS}/${descriptor}`, 'latin1'))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    // Closed meanwhile: the one the listing itself was read through.
    return false;
  }
}
