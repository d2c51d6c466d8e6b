import { it } from '@jest/globals';

type Declare = (name: string, test: () => Promise<void>, timeoutMs?: number) => void;

/**
 * Tests that take something of the host. Where it is missing they are skipped, and their names say why. CI has all of it: there
 * a tool that is missing is a failure, or nobody would notice that half of the tests no longer run.
 */
export function where(available: boolean, missing: string): Declare {
  if (available) return (name, test, timeoutMs) => it(name, test, timeoutMs);
  if (process.env['CI'] !== 'true') return (name, test) => it.skip(`${name} (skipped: ${missing})`, test);
  return (name) => it(name, () => Promise.reject(new Error(`CI must have it: ${missing}`)));
}

/** The same for what a host may forbid, CI's own as well. */
export function wherePermitted(permitted: boolean, forbidden: string): Declare {
  return (name, test, timeoutMs) => (permitted ? it(name, test, timeoutMs) : it.skip(`${name} (skipped: ${forbidden})`, test));
}
