import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { eventually } from '../../../test/kit/eventually.js';
import { finished, sampleRun } from '../../../test/kit/storage.js';
import { CommitQueue } from './commit-queue.js';
import { rowWrite, type RowWrite } from './row-write.js';

const touch: RowWrite = { kind: 'key.touch', row: { id: 'k', at: 'now', generation: 0 } };
const begin = rowWrite({ kind: 'run.insert', run: sampleRun(), output: [] }, 'owner');
const end = rowWrite({ kind: 'run.finish', run: finished(sampleRun()), output: [] }, 'owner');
const written = { kind: 'written', conflicts: [] } as const;
const full = { kind: 'failed', reason: 'SQLITE_FULL', failStop: false } as const;
const failStop = { kind: 'failed', reason: 'SQLITE_IOERR_FSYNC', failStop: true } as const;

const times = (count: number, write: RowWrite) => Array.from({ length: count }, () => write);

/** No machine is so slow. */
const LONG_MS = 20_000;

describe('the queue of commits', () => {
  let groups: (readonly (readonly RowWrite[])[])[];
  let queue: CommitQueue;
  const queueWith = (deadlineMs: number) => new CommitQueue((group) => groups.push(group), { waiting: 1_000, deadlineMs });

  beforeEach(() => {
    groups = [];
    queue = queueWith(LONG_MS);
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('makes one group of a turn, and the next of what came meanwhile', async () => {
    const first = [queue.add([touch]), queue.add([touch])];
    await setImmediate();
    const second = [queue.add([touch]), queue.add([touch]), queue.add([touch])];
    await setImmediate();
    expect(groups.map((group) => group.length)).toEqual([2]);
    queue.settle(written);
    await Promise.all(first);
    await setImmediate();
    expect(groups.map((group) => group.length)).toEqual([2, 3]);
    queue.settle(written);
    await Promise.all(second);
    await queue.idle();
  });

  describe('after a group of three or more', () => {
    const commitAll = async (writes: readonly RowWrite[]) => {
      const commits = writes.map((write) => queue.add([write]));
      await setImmediate();
      jest.advanceTimersByTime(LONG_MS / 2);
      queue.settle(written);
      await Promise.all(commits);
    };
    const waitedMs = async () => {
      const before = groups.length;
      const next = queue.add([touch]);
      let waited = 0;
      for (; groups.length === before && waited < LONG_MS; waited++) jest.advanceTimersByTime(1);
      expect(groups.slice(before).map((group) => group.length)).toEqual([1]);
      queue.settle(written);
      await next;
      return waited;
    };

    beforeEach(() => {
      jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    });

    it.each([
      ['no runs', times(64, touch), 1],
      ['sixteen runs', times(16, begin), 2],
      ['sixty-four runs', times(64, begin), 8],
      ['a hundred and twenty-eight runs', times(128, begin), 8],
    ])('waits for what comes with %s under way', async (_runs, writes, milliseconds) => {
      await commitAll(writes);
      expect(await waitedMs()).toBe(milliseconds);
    });

    it('waits for no runs that have ended', async () => {
      await commitAll(times(64, begin));
      await commitAll(times(56, end));
      expect(await waitedMs()).toBe(1);
    });

    it('waits for no runs that last for hours', async () => {
      await commitAll(times(64, begin));
      await commitAll([begin, end, touch]);
      expect(await waitedMs()).toBe(1);
    });

    it('waits for no runs that were not recorded', async () => {
      const commits = Array.from({ length: 64 }, () => queue.add([begin]));
      await setImmediate();
      queue.settle(full);
      await Promise.allSettled(commits);
      expect(await waitedMs()).toBe(1);
    });

    it('counts none below nought: what an earlier process began is only seen to end', async () => {
      await commitAll(times(32, end));
      await commitAll(times(16, begin));
      expect(await waitedMs()).toBe(2);
    });
  });

  it('bounds a group by commits and by output', async () => {
    const run = sampleRun();
    const large = rowWrite(
      { kind: 'run.finish', run: finished(run), output: [{ stream: 'stdout', seq: 1, data: 'x'.repeat(5 * 1024 ** 2) }] },
      'owner',
    );
    const commits = [queue.add([large]), queue.add([large]), ...Array.from({ length: 600 }, () => queue.add([touch]))];
    for (let sent = 1; sent <= 4; sent += 1) {
      await eventually(() => groups.length === sent);
      queue.settle(written);
    }
    await Promise.all(commits);
    expect(groups.map((group) => group.length)).toEqual([1, 1, 512, 88]);
  });

  it('refuses when too many wait', async () => {
    const commits = Array.from({ length: 1_000 }, () => queue.add([touch]));
    await expect(queue.add([touch])).rejects.toMatchObject({ code: 'storage_unavailable', extra: { retryAfterSeconds: 1 } });
    queue.fail('end of the test');
    await Promise.allSettled(commits);
  });

  it('tells each commit of a failed group, and tries the next', async () => {
    const commits = [queue.add([touch]), queue.add([touch])];
    await setImmediate();
    queue.settle({ kind: 'failed', reason: 'SQLITE_FULL', failStop: false });
    expect(await Promise.allSettled(commits)).toMatchObject([
      { reason: { code: 'storage_unavailable' } },
      { reason: { code: 'storage_unavailable' } },
    ]);
    expect(queue.failure).toBe('SQLITE_FULL');
    const next = queue.add([touch]);
    await setImmediate();
    queue.settle(written);
    await next;
    expect(queue.failure).toBeUndefined();
  });

  it('takes nothing more after a fail-stop, whatever comes later', async () => {
    const commits = [queue.add([touch])];
    await setImmediate();
    commits.push(queue.add([touch]));
    queue.settle({ kind: 'failed', reason: 'The disk failed (SQLITE_IOERR_FSYNC).', failStop: true });
    expect(await Promise.allSettled(commits)).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
    await expect(queue.add([touch])).rejects.toMatchObject({ message: expect.stringContaining('restarted') });
    expect(groups).toHaveLength(1);
  });

  it('stays with its first final trouble, also when the group under way comes through; that one is in doubt, the next are not', async () => {
    const inFlight = queue.add([touch]);
    await setImmediate();
    const waiting = queue.add([touch]);
    queue.fail('The database was deleted.');
    queue.settle(written);
    queue.fail('The writer is gone.');
    expect(await Promise.allSettled([inFlight, waiting, queue.add([touch])])).toMatchObject([
      { reason: { extra: { untilRestart: true, inDoubt: true } } },
      { reason: { extra: { untilRestart: true, inDoubt: false } } },
      { reason: { extra: { untilRestart: true, inDoubt: false } } },
    ]);
    expect(queue.failure).toBe('The database was deleted.');
  });

  it('tells of trouble when it comes, changes or goes', async () => {
    const told: (string | undefined)[] = [];
    const telling = new CommitQueue(
      () => undefined,
      { waiting: 10, deadlineMs: LONG_MS },
      (trouble) => told.push(trouble?.kind),
    );
    for (const result of [written, full, full, written, failStop, written]) {
      void telling.add([touch]).catch(() => undefined);
      await setImmediate();
      telling.settle(result);
    }
    expect(told).toEqual(['passing', undefined, 'final']);
  });

  it('gives up on a group that takes too long, and takes commits again when it is answered', async () => {
    queue = queueWith(500);
    const late = queue.add([touch]);
    await setImmediate();
    const waiting = queue.add([touch]);
    expect(await Promise.allSettled([late, waiting])).toMatchObject([
      { reason: { code: 'storage_unavailable' } },
      { reason: { code: 'storage_unavailable' } },
    ]);
    await expect(queue.add([touch])).rejects.toMatchObject({ code: 'storage_unavailable' });
    await queue.idle();
    queue.settle(written);
    const next = queue.add([touch]);
    await setImmediate();
    queue.settle(written);
    await next;
  });
});
