import { it } from '@jest/globals';
import { spawnSync } from 'node:child_process';

type Test = (name: string, test: () => Promise<void>, timeoutMs?: number) => void;

/** Tests that take something of the host: where it is missing they are skipped, and their names say why. */
export function where(available: boolean, missing: string): Test {
  return (name, test, timeoutMs) => (available ? it(name, test, timeoutMs) : it.skip(`${name} (skipped: ${missing})`, test));
}

/** Whether sandboxes can be built here. */
const canContain = spawnSync('bwrap', ['--unshare-user', '--unshare-pid', '--ro-bind', '/', '/', '--proc', '/proc', 'true']).status === 0;

/** Tests of containment. CI has what they take: there, they are never skipped. */
export const contained: Test = where(canContain || process.env['CI'] === 'true', 'bubblewrap cannot build a sandbox here');
