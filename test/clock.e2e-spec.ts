import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect } from '@jest/globals';
import { fixture } from './fixtures/fixture.js';
import { command, show, sleeper } from './kit/commands.js';
import { programHome, removeHomes } from './kit/program.js';
import { where } from './kit/where.js';

afterEach(removeHomes);

/** Debian's libfaketime: what a process that loads it takes for the time of day stands in a file. */
const LIBRARY = ['/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1', '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1'].find(
  existsSync,
);
const withClock = where(LIBRARY !== undefined, 'libfaketime is not installed (Debian: faketime)');

const LIMIT_MS = 1_000;
const GRACE_MS = 300;
/** What tells a timeout that was moved by the clock from one that was late on a busy machine. */
const LATE_MS = 5_000;

describe('a clock that is put forward or back by a day', () => {
  const place = () => {
    const home = programHome({
      commands: {
        show,
        sleeper: { ...sleeper, timeout: `${LIMIT_MS}ms` },
        stubborn: command({ exec: [fixture('ignores-term')], effect: 'change', timeout: `${LIMIT_MS}ms` }),
      },
    });
    const file = join(home.folder, 'clock');
    const put = (offset: string) => writeFileSync(file, offset);
    put('+0');
    const settings = { LD_PRELOAD: LIBRARY, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' };
    return { home, put, settings: { ...settings, KILL_GRACE: `${GRACE_MS}ms` } };
  };

  withClock('moves no timeout: TERM at the limit, KILL after the grace, and the result says which', async () => {
    const { home, put, settings } = place();
    const caller = await (await home.serve(settings)).as(home.adminKey);
    expect((await caller.run('show', { value: 'warm' })).status).toBe('succeeded');
    for (const offset of ['+1d', '-1d', '+0']) {
      const before = performance.now();
      const ending = Promise.all(
        ['sleeper', 'stubborn'].map(async (name) => ({ run: await caller.run(name), tookMs: performance.now() - before })),
      );
      await delay(LIMIT_MS / 4);
      put(offset);
      const [polite, stubborn] = await ending;
      for (const { run } of [polite, stubborn].filter((end) => end !== undefined))
        expect(run).toMatchObject({ status: 'timed_out', outcome: { kind: 'timed_out', afterMs: LIMIT_MS } });
      expect(polite?.tookMs).toBeLessThan(LIMIT_MS + LATE_MS);
      expect(stubborn?.tookMs).toBeLessThan(LIMIT_MS + GRACE_MS + LATE_MS);
      expect(stubborn?.run.durationMs).toBeGreaterThanOrEqual(LIMIT_MS + GRACE_MS - 1);
      expect(polite?.run.durationMs).toBeGreaterThanOrEqual(LIMIT_MS - 1);
    }
  });
});
