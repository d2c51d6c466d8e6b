import { it } from '@jest/globals';

/** Tests that take something of the host: where it is missing they are skipped, and their names say why. */
export function where(available: boolean, missing: string): (name: string, test: () => Promise<void>) => void {
  return (name, test) => (available ? it(name, test) : it.skip(`${name} (skipped: ${missing})`, test));
}
