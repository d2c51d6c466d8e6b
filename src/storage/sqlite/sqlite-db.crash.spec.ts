import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { verifyLog } from '../../audit/audit-verifier.js';
import { auditAppend, intent, openStore, sampleRun, temporaryFolder, withDatabase } from '../../../test/kit/storage.js';
import { withStrace } from '../../../test/kit/strace.js';
import { SmallDisk, withSmallDisk } from '../../../test/kit/small-disk.js';

const COMMITTER = fileURLToPath(new URL('../../../test/kit/committer.js', import.meta.url));

describe('the embedded store under violence', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it.each([1, 40, 300, 900])('has every acknowledged commit after kill -9 at the %i. one', async (killAfter) => {
    const committer = commit(folder, { name: 'a', commits: 1_000_000, concurrency: 32 });
    const acknowledged = await acknowledgements(committer, (count) => {
      if (count === killAfter) committer.kill('SIGKILL');
    });
    expect(acknowledged.length).toBeGreaterThanOrEqual(killAfter);
    await expectStored(acknowledged);
  });

  it('keeps one linear chain when several processes append at once, and minds no other that comes and goes', async () => {
    const store = await openStore({ folder });
    const committers = ['a', 'b'].map((name) => commit(folder, { name, commits: 400, concurrency: 16 }));
    const acknowledged = (await Promise.all(committers.map((committer) => acknowledgements(committer)))).flat();
    expect(acknowledged).toHaveLength(800);
    await store.db.checkWritable();
    await store.db.commit(intent(sampleRun()));
    await store.close();
    expect((await expectStored(acknowledged)).entries).toBe(801);
  });

  withStrace('tells the disk before the caller', async () => {
    const trace = join(folder, 'trace');
    const committer = commit(folder, { name: 'a', commits: 20, concurrency: 1 }, [
      'strace',
      '-f',
      '-y',
      '-s',
      '80',
      '-o',
      trace,
      '-e',
      'trace=pwrite64,fsync,fdatasync,write',
    ]);
    expect(await acknowledgements(committer)).toHaveLength(20);
    const { stdout } = spawnSync('grep', ['-nE', 'sallyport.db-wal|"ack run_', trace], { encoding: 'utf8' });
    const calls = stdout
      .split('\n')
      .map((line) =>
        line.includes('"ack run_') ? 'ack' : line.includes('sync(') ? 'sync' : line.includes('pwrite64(') ? 'write' : 'other',
      );
    const story = calls.filter((call) => call !== 'other').join(' ');
    expect(story.match(/ack/g)).toHaveLength(20);
    expect(story.slice(story.indexOf('ack'))).not.toMatch(/ack (write )*ack|write ack/);
  });

  withStrace('writes nothing more after one failed fsync', async () => {
    const committer = commit(folder, { name: 'a', commits: 30, concurrency: 1 }, [
      'strace',
      '-f',
      '-o',
      '/dev/null',
      '-e',
      'inject=fsync:error=EIO:when=6',
      '-e',
      'trace=fsync',
    ]);
    const lines = await linesOf(committer);
    const firstRefusal = lines.indexOf('refused storage_unavailable');
    expect(firstRefusal).toBeGreaterThan(0);
    expect(lines.slice(firstRefusal)).toEqual(Array<string>(30 - firstRefusal).fill('refused storage_unavailable'));
    await expectStored(lines.slice(0, firstRefusal).map((line) => line.slice('ack '.length)));
  });

  withSmallDisk('refuses while the disk is full, loses nothing, and goes on when there is room', async () => {
    const disk = new SmallDisk(folder, 'size=16m');
    try {
      const store = await openStore({ folder });
      const acknowledged: string[] = [];
      const append = async (index: number) => {
        await store.db.commit([auditAppend(`entry-${index}`, { details: { data: 'x'.repeat(20_000) } })]);
        acknowledged.push(`entry-${index}`);
      };
      await append(0);
      disk.fill();
      expect(await untilRefused(append)).toMatchObject({ code: 'storage_unavailable' });
      // Whatever room the refused entry left in the log takes a few small writes.
      expect(await untilRefused(() => store.db.commit([]))).toMatchObject({ code: 'storage_unavailable' });
      await expect(store.db.checkWritable()).rejects.toMatchObject({ code: 'storage_unavailable' });
      expect((await store.audit.page({ limit: 1 })).items[0]?.subject).toBe(acknowledged.at(-1));
      disk.empty();
      await store.db.checkWritable();
      await append(acknowledged.length);
      expect(await verifyLog(store.audit.entries())).toMatchObject({ ok: true, entries: acknowledged.length });
      await store.close();
    } finally {
      disk.unmount();
    }
  });

  /** Opens the store anew and holds it against what its writers were told. */
  async function expectStored(acknowledged: readonly string[]): Promise<{ entries: number }> {
    const store = await openStore({ folder });
    const verdict = await verifyLog(store.audit.entries());
    await store.close();
    expect(verdict).toMatchObject({ ok: true });
    const { runs, entries } = withDatabase(folder, (database) => ({
      runs: database.prepare('select id from runs').pluck().all() as string[],
      entries: database.prepare('select subject from audit_entries').pluck().all() as string[],
    }));
    expect(new Set(runs)).toEqual(new Set(entries));
    expect(acknowledged.filter((id) => !runs.includes(id))).toEqual([]);
    return { entries: entries.length };
  }
});

function commit(folder: string, work: { name: string; commits: number; concurrency: number }, under: readonly string[] = []): ChildProcess {
  const [program = '', ...args] = [
    ...under,
    process.execPath,
    COMMITTER,
    folder,
    work.name,
    String(work.commits),
    String(work.concurrency),
  ];
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: '/usr/bin:/bin' } });
}

async function linesOf(committer: ChildProcess, onLine: (count: number) => void = () => {}): Promise<string[]> {
  const lines: string[] = [];
  const gone = once(committer, 'exit');
  if (committer.stdout) for await (const line of createInterface(committer.stdout)) onLine(lines.push(line));
  await gone;
  return lines;
}

/** Ids of the runs whose commit was acknowledged. A line cut off by the kill is none. */
async function acknowledgements(committer: ChildProcess, onLine?: (count: number) => void): Promise<string[]> {
  const lines = await linesOf(committer, onLine);
  return lines.filter((line) => /^ack run_\w_\d{8}$/.test(line)).map((line) => line.slice('ack '.length));
}

async function untilRefused(commit: (index: number) => Promise<void>): Promise<unknown> {
  for (let index = 0; index < 500; index += 1) {
    try {
      await commit(index);
    } catch (error) {
      return error;
    }
  }
  return 'never refused';
}
