import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { childrenOf } from '../../src/launcher/process-tree.js';
import { isAlive } from '../fixtures/fixture.js';

/** A process, told apart from a later one of the same number by when it began (clock ticks since the boot). */
export interface ProcessIdentity {
  readonly pid: number;
  readonly began: string;
  readonly commandLine: string;
}

/** A process that changes its number all the time is not in every listing. */
const LOOKS = 5;
const LOOK_MS = 10;

/** Everything that descends from this process, whatever its name, group, session or environment; itself left out. */
export function family(pid: number): ProcessIdentity[] {
  return childrenOf(pid).flatMap((child) => [...identityOf(child), ...family(child)]);
}

/** Processes of this machine, in sandboxes too, that have one of these texts in their command line. */
export function marked(marks: readonly string[]): ProcessIdentity[] {
  return readdirSync('/proc').flatMap((name) => {
    const commandLine = /^\d+$/.test(name) ? commandLineOf(Number(name)) : '';
    return marks.some((mark) => commandLine.includes(mark)) && isAlive(Number(name)) ? identityOf(Number(name)) : [];
  });
}

/** Those of the family that still live, and whoever has one of the marks; looked for several times. */
export async function survivors(known: readonly ProcessIdentity[], marks: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (let look = 0; look < LOOKS; look++) {
    for (const one of known) if (isAlive(one.pid) && identityOf(one.pid)[0]?.began === one.began) found.add(describe(one));
    for (const one of marked(marks)) found.add(describe(one));
    await delay(LOOK_MS);
  }
  return [...found];
}

function describe({ pid, commandLine }: ProcessIdentity): string {
  return `${pid} ${commandLine.slice(0, 200)}`;
}

/** Empty when there is no such process. */
function identityOf(pid: number): ProcessIdentity[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return [{ pid, began: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '', commandLine: commandLineOf(pid) }];
  } catch {
    return [];
  }
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}
