import { afterAll, describe, expect } from '@jest/globals';
import { fixture } from './fixtures/fixture.js';
import { FaultSweep } from './kit/fault-sweep.js';
import { removeHomes } from './kit/program.js';
import { hasStrace, withStrace } from './kit/strace.js';

afterAll(removeHomes);

/** A few of the faults that `npm run test:torture` goes through: one of each kind. */
describe('a gateway that meets with', () => {
  const sweep = hasStrace ? new FaultSweep() : undefined;
  const log = sweep?.file('sallyport.db-wal') ?? '';
  const faults = [
    ['a kill while an intent is written', { calls: 'pwrite64', effect: 'signal=SIGKILL', when: '30', path: log }],
    ['a kill while a commit is synced', { calls: 'fsync,fdatasync', effect: 'signal=SIGKILL', when: '6' }],
    ['a disk that fails once', { calls: 'pwrite64', effect: 'error=EIO', when: '40', path: log }],
    ['processes that cannot be made', { calls: 'clone3,clone', effect: 'error=EAGAIN', when: '7..9' }],
    ['programs that cannot be loaded', { calls: 'execve', effect: 'error=EIO', when: '1', path: fixture('appends-run-id') }],
  ] as const;

  for (const [name, fault] of faults) {
    withStrace(`${name} loses nothing, invents nothing and leaves nothing open`, async () => {
      const { struck, violations } = await sweep!.meet(fault);
      expect(violations).toEqual([]);
      expect(struck).toBe(true);
    });
  }
});

describe('the sweep', () => {
  withStrace('finds out when acknowledged runs are gone: a disk that says yes and does nothing', async () => {
    const sweep = new FaultSweep();
    // The header of the log comes first, then by turns the header of a page (24 bytes) and the page.
    const lie = { calls: 'pwrite64', effect: 'retval=4096', when: '161+2', path: sweep.file('sallyport.db-wal') };
    const { violations } = await sweep.meet(lie);
    expect(violations.map(({ rule }) => rule)).toContain('acknowledged is stored');
  });
});
