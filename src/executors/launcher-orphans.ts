import { readdirSync, readFileSync } from 'node:fs';
import { killGroup } from './launcher-group.js';

/** As the kernel shows the name that hosts give themselves: cut to 15 characters. */
const HOST_NAME = 'sallyport-execu';
/** A child that was just being made has its environment by then. */
const SECOND_LOOK_MS = 200;

/**
 * Kills what a host started and could not report any more, because it was killed itself in that moment: children without a living
 * host that have one of these entries (`TRACEPARENT=…`, which names a request) in their environment. Where there is no procfs, nothing is done.
 */
export function killUnreported(entries: ReadonlySet<string>): void {
  if (entries.size === 0) return;
  kill(entries);
  setTimeout(() => kill(entries), SECOND_LOOK_MS);
}

function kill(entries: ReadonlySet<string>): void {
  for (const name of list()) {
    const environment = read(`/proc/${name}/environ`).split('\0');
    if (environment.some((entry) => entries.has(entry)) && !hasHost(name)) killGroup(Number(name), 'SIGKILL');
  }
}

function hasHost(name: string): boolean {
  const parent = /^PPid:\s+(\d+)$/m.exec(read(`/proc/${name}/status`))?.[1];
  return parent !== undefined && read(`/proc/${parent}/comm`).trim() === HOST_NAME;
}

function list(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/** Empty for what is gone, or none of ours. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
