import { spawnSync } from 'node:child_process';
import { it } from '@jest/globals';

type Test = (name: string, test: () => Promise<void>, timeoutMs?: number) => void;

/**
 * Tests that take something of the host. Where it is missing they are skipped, and their names say why. CI has all of it: there
 * a tool that is missing is a failure, or nobody would notice that half of the tests no longer run.
 */
export function where(available: boolean, missing: string): Test {
  if (available) return (name, test, timeoutMs) => it(name, test, timeoutMs);
  if (process.env['CI'] !== 'true') return (name, test) => it.skip(`${name} (skipped: ${missing})`, test);
  return (name) => it(name, () => Promise.reject(new Error(`CI must have it: ${missing}`)));
}

/** The same for what a host may forbid, CI's own as well. */
export function wherePermitted(permitted: boolean, forbidden: string): Test {
  return (name, test, timeoutMs) => (permitted ? it(name, test, timeoutMs) : it.skip(`${name} (skipped: ${forbidden})`, test));
}

/** Whether sandboxes can be built here. */
const canContain = spawnSync('bwrap', ['--unshare-user', '--unshare-pid', '--ro-bind', '/', '/', '--proc', '/proc', 'true']).status === 0;

/** Tests of containment. */
export const contained: Test = where(canContain, 'bubblewrap cannot build a sandbox here');

/** Those of them that take root: to become somebody else, to make folders of the system. */
export const containedAsRoot: Test = process.getuid?.() === 0 ? contained : wherePermitted(false, 'it takes root');
