import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { verifyLog } from '../src/audit/audit-verifier.js';
import { Disk, NOTHING_MORE } from './kit/power-cut.js';
import { replay } from './kit/power-cut-history.js';
import { tracedRuns } from './kit/power-cut-run.js';
import { removeHomes } from './kit/program.js';
import { openStore } from './kit/storage.js';
import { hasStrace, withStrace } from './kit/strace.js';
import type { TraceEvent } from './kit/trace.js';

afterAll(removeHomes);

/** Hundreds of databases are opened; a busy machine takes its time. */
const PATIENCE_MS = 120_000;

describe('a power cut', () => {
  let events: TraceEvent[];
  let home: string;

  beforeAll(async () => {
    if (!hasStrace) return;
    const traced = await tracedRuns(40, 170);
    [events, home] = [traced.events, traced.home.folder];
  }, PATIENCE_MS);

  withStrace(
    'after any of 200 acknowledgements, or as a program starts, finds everything promised on the disk',
    async () => {
      const { acknowledgements, starts, losses } = replay(events, home);
      expect(losses).toEqual([]);
      expect(Math.min(acknowledgements, starts)).toBeGreaterThanOrEqual(200);
    },
    PATIENCE_MS,
  );

  withStrace(
    'at any moment, with part of what was not synced, in any order and torn, does no harm either',
    async () => {
      const { losses, cuts } = replay(events, home, { randomCuts: 150 });
      expect(losses).toEqual([]);
      expect(cuts).toBeGreaterThan(80);
    },
    PATIENCE_MS,
  );

  withStrace('leaves a store that opens and verifies', async () => {
    const disk = new Disk(home);
    for (const event of events) disk.apply(event);
    const folder = mkdtempSync(join(tmpdir(), 'power-cut-'));
    disk.restore(join(home, 'data'), join(folder, 'data'), NOTHING_MORE);
    const store = await openStore({ folder: join(folder, 'data') });
    expect(await verifyLog(store.audit.entries())).toMatchObject({ ok: true, entries: 2 * 210 + 2 });
    await store.close();
    rmSync(folder, { recursive: true });
  });

  const forgotten = [
    ['of the log', (path: string) => path.endsWith('-wal')],
    ['of the data folder', (path: string) => path === join(home, 'data')],
    ['of the folder that names it', (path: string) => path === home],
  ] as const;
  for (const [what, isForgotten] of forgotten) {
    withStrace(`is noticed where the syncs ${what} are left out`, async () => {
      const some = events.slice(0, Math.round(events.length / 3));
      const { cuts, losses } = replay(some, home, { forget: (event) => event.kind === 'synced' && isForgotten(event.path) });
      expect(losses.length).toBeGreaterThan(cuts / 2);
    });
  }
});
