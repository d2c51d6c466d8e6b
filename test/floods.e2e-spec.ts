import { afterEach, describe, expect, it } from '@jest/globals';
import { FloodedGateway, MIB } from './kit/floods.js';
import { growthDuring } from './kit/meters.js';
import { removeHomes } from './kit/program.js';
import { closeConnections } from './kit/raw-connection.js';

afterEach(async () => {
  closeConnections();
  await removeHomes();
});

describe('floods, all at once (P4, T52, T53)', () => {
  it('on stdout and stderr, in one line, and to a reader that never reads, make neither gateway nor hosts grow', async () => {
    const gateway = await FloodedGateway.start();
    const growth = await growthDuring(gateway.program.pid, async () => {
      await Promise.all([
        gateway.pass('lines', 200 * MIB),
        gateway.pass('stderr', 200 * MIB),
        gateway.pass('both', 100 * MIB),
        gateway.passUnread('line', 200 * MIB),
        gateway.passEndless(),
      ]);
    });
    expect(growth.gateway).toBeLessThan(64);
    expect(growth.host).toBeLessThan(64);
  });
});
