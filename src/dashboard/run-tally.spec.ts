import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { finished, intent, openStore, sampleRun, type TestStore, withDatabase } from '../../test/kit/storage.js';
import type { Run } from '../domain/run.js';
import { type DayOfRuns, RunTally } from './run-tally.js';

const NOON = Date.parse('2026-11-22T12:00:00Z');
const MIDNIGHT = Date.parse('2026-11-22T00:00:00Z');
let serial = 0;

function runAt(ms: number, differences: Partial<Run> = {}): Run {
  return sampleRun({ id: `run_${ms.toString(16).padStart(12, '0')}${String(++serial).padStart(20, '0')}`, command: 'a', ...differences });
}

const shown = ({ commands }: DayOfRuns) =>
  Object.fromEntries(
    [...commands].map(([name, counts]) => [name, Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))]),
  );

describe('the runs of today', () => {
  let store: TestStore;

  beforeEach(async () => {
    store = await openStore();
  });
  afterEach(() => store.close());

  async function accept(...runs: readonly Run[]): Promise<void> {
    await Promise.all(runs.map((run) => store.db.commit(intent(run))));
  }
  const end = (run: Run, differences: Partial<Run> = {}) =>
    store.db.commit([{ kind: 'run.finish', run: finished(run, differences), output: [] }]);

  it('are counted by command and end, open ones as they end, late ones as they come, yesterday’s not at all', async () => {
    const [yesterday, early, other, fresh] = [
      runAt(MIDNIGHT - 1),
      runAt(MIDNIGHT),
      runAt(NOON - 60_000, { command: 'b' }),
      runAt(NOON - 1_000),
    ];
    await accept(yesterday, early, other, fresh);
    await end(yesterday);
    await end(early);
    const tally = new RunTally(store.runs, undefined);
    const count = (ms: number) => tally.count(new Date(ms)).then(shown);
    expect(await count(NOON)).toEqual({ a: { succeeded: 1, open: 1 }, b: { open: 1 } });
    // Its id was made before that of `fresh`, and it comes into the store after.
    const late = runAt(NOON - 2_000, { command: 'late' });
    await accept(late);
    await end(other, { status: 'failed', outcome: { kind: 'exited', code: 1 } });
    expect(await count(NOON + 1_000)).toEqual({ a: { succeeded: 1, open: 1 }, b: { failed: 1 }, late: { open: 1 } });
    await Promise.all([end(fresh), end(late, { status: 'lost', outcome: { kind: 'lost' } })]);
    for (const ms of [NOON + 2_000, NOON + 60_000, NOON + 70_000])
      expect(await count(ms)).toEqual({ a: { succeeded: 2 }, b: { failed: 1 }, late: { lost: 1 } });
    expect(await count(NOON + 86_400_000)).toEqual({});
  });

  it('are those of one key, where one asks', async () => {
    await accept(runAt(NOON, { principalId: 'one' }), runAt(NOON, { principalId: 'other' }));
    expect(shown(await new RunTally(store.runs, 'one').count(new Date(NOON)))).toEqual({ a: { open: 1 } });
    expect(shown(await new RunTally(store.runs, 'none').count(new Date(NOON)))).toEqual({});
  });

  it('are read once each, in pieces, and counted anew after a failure', async () => {
    const runs = Array.from({ length: 2_500 }, (_none, index) => runAt(MIDNIGHT + index));
    await accept(...runs);
    await Promise.all(runs.map((run) => end(run)));
    const tally = new RunTally(store.runs, undefined);
    const gists = jest.spyOn(store.runs, 'gists');
    expect(shown(await tally.count(new Date(NOON)))).toEqual({ a: { succeeded: 2_500 } });
    expect(gists).toHaveBeenCalledTimes(3);
    gists.mockClear();
    expect(shown(await tally.count(new Date(NOON)))).toEqual({ a: { succeeded: 2_500 } });
    expect(gists.mock.calls).toEqual([[{ after: runs.at(-1)?.id, limit: 1_000 }]]);
    gists.mockRejectedValueOnce(new Error('gone'));
    await expect(tally.count(new Date(NOON))).rejects.toThrow('gone');
    expect(shown(await tally.count(new Date(NOON)))).toEqual({ a: { succeeded: 2_500 } });
  });

  it('are found through indexes, never by reading the whole table', async () => {
    await accept(runAt(NOON));
    for (const owner of ['', ' and principal_id = ?']) {
      const query = `select id, command, status, finished_at from runs where id > ?${owner} order by id limit 1000`;
      const plan = withDatabase(store.folder, (database) =>
        database.prepare(`explain query plan ${query}`).all(...['run_0', 'x'].slice(0, owner === '' ? 1 : 2)),
      ) as { detail: string }[];
      expect(plan.map(({ detail }) => detail)).toEqual([
        expect.stringMatching(/^SEARCH runs USING INDEX \S+ \((?:id>\?|principal_id=\? AND id>\?)\)$/),
      ]);
    }
  });
});
