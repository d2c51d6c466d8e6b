import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../../test/kit/eventually.js';
import { HostRun } from './host-run.js';
import type { HostReport, StartCommand } from './host-protocol.js';
import { Outbox } from './outbox.js';

let groups: string;
beforeAll(() => void (groups = mkdtempSync(join(tmpdir(), 'groups-'))));
afterAll(() => rmSync(groups, { recursive: true, force: true }));

/** A run whose control group is a folder, which takes as long to make as the disk takes. */
function startedRun() {
  const told: HostReport[] = [];
  const outbox = new Outbox(
    (batch) => told.push(...batch),
    () => undefined,
  );
  const over = { gone: 0, starts: 0 };
  const command: StartCommand = {
    kind: 'start',
    id: 7,
    file: '/bin/true',
    argv: ['true'],
    env: {},
    cwd: '/',
    stdin: null,
    outputBytes: 100,
    sandbox: null,
    group: { parents: [groups], settings: {} },
  };
  const run = new HostRun(command, {
    spawnChild: () => {
      over.starts++;
      return null;
    },
    outbox,
    adopts: true,
    endOrphans: () => Promise.resolve(),
    onGone: () => over.gone++,
  });
  run.start();
  return { run, told, outbox, over };
}

describe('a run that is cancelled while its control group is being made', () => {
  it('ends at once, is never started, and leaves no group', async () => {
    const { run, told, outbox, over } = startedRun();
    run.kill('SIGTERM');
    run.kill('SIGKILL');
    // Microtasks alone: the disk has not answered yet.
    for (let step = 0; step < 10; step++) await Promise.resolve();
    outbox.flush();
    expect(told).toEqual([{ kind: 'failed', id: 7, reason: 'the run was ended before its start' }]);
    // By then it has been made.
    await delay(50);
    await eventually(() => readdirSync(groups).length === 0);
    outbox.flush();
    expect([over, told.length]).toEqual([{ gone: 1, starts: 0 }, 1]);
  });
});
