import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { verifyLog } from '../../audit/audit-verifier.js';
import { eventually } from '../../../test/kit/eventually.js';
import {
  auditAppend,
  finished,
  intent,
  openStore,
  sampleKey,
  sampleRun,
  temporaryFolder,
  withDatabase,
  type TestStore,
} from '../../../test/kit/storage.js';
import { SqliteDb } from './sqlite-db.js';

describe('the embedded store', () => {
  let store: TestStore;

  beforeEach(async () => {
    store = await openStore();
  });
  afterEach(() => store.close());

  it('shows a commit to readers as soon as it is acknowledged', async () => {
    const run = sampleRun();
    await store.db.commit(intent(run));
    expect(await store.runs.find(run.id)).toEqual(run);
    expect((await store.audit.page({ limit: 5 })).items).toMatchObject([{ seq: 1, subject: run.id, previousHash: '0'.repeat(64) }]);
  });

  it('lets commits that wait together share a transaction', async () => {
    await Promise.all(Array.from({ length: 1_000 }, () => store.db.commit(intent(sampleRun()))));
    expect(store.db.statistics.commits).toBe(1_000);
    expect(store.db.statistics.transactions).toBeLessThanOrEqual(4);
    expect(await verifyLog(store.audit.entries())).toMatchObject({ ok: true, entries: 1_000 });
  });

  it('leaves no trace of a commit that conflicts, and spares its neighbours', async () => {
    const [first, twin, last] = [sampleRun(), sampleRun(), sampleRun()];
    const results = await Promise.allSettled([
      store.db.commit(intent(first)),
      store.db.commit([auditAppend('before the conflict'), { kind: 'run.insert', run: { ...twin, id: first.id }, output: [] }]),
      store.db.commit(intent(last)),
    ]);
    expect(store.db.statistics.transactions).toBe(1);
    expect(results).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'conflict' } }, { status: 'fulfilled' }]);
    const { items } = await store.audit.page({ limit: 5 });
    expect(items.map(({ seq, subject }) => [seq, subject])).toEqual([
      [2, last.id],
      [1, first.id],
    ]);
    expect(await verifyLog(store.audit.entries())).toMatchObject({ ok: true, entries: 2 });
  });

  it('ends a run once', async () => {
    const run = sampleRun();
    const finish = { kind: 'run.finish', run: finished(run), output: [{ stream: 'stdout', seq: 1, data: 'done\n' }] } as const;
    await store.db.commit(intent(run));
    await store.db.commit([finish]);
    const again = { kind: 'run.finish', run: finished(run, { status: 'lost', outcome: { kind: 'lost' } }), output: [] } as const;
    await expect(store.db.commit([again])).rejects.toMatchObject({ code: 'conflict' });
    await expect(store.db.commit([{ ...finish, run: finished(sampleRun()) }])).rejects.toMatchObject({ code: 'conflict' });
    expect(await store.runs.find(run.id)).toEqual(finished(run));
    expect(await store.runs.output(run.id)).toEqual(finish.output);
  });

  it('keeps any text and any details as the hash of the entry covers them', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 });
    const lone = fc.constantFrom('\ud800', 'a\udfff', '\0', '"', '\u2028', '');
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(text, lone),
        fc.oneof(text, lone),
        fc.dictionary(fc.oneof(text, lone), fc.jsonValue()),
        async (subject, requestId, details) => {
          await store.db.commit([auditAppend(subject, { requestId, details })]);
        },
      ),
      { numRuns: 200, examples: [['s', 'r', JSON.parse('{"__proto__":{"x":-0},"10":1,"9":[1e400,1e-7]}') as Record<string, never>]] },
    );
    expect(await verifyLog(store.audit.entries())).toMatchObject({ ok: true });
  });

  it('keeps the first time a key was revoked, and knows no unknown key', async () => {
    const key = sampleKey();
    await store.db.commit([{ kind: 'key.insert', key }]);
    await store.db.commit([{ kind: 'key.revoke', id: key.id, at: '2026-02-01T00:00:00.000Z' }]);
    await store.db.commit([{ kind: 'key.revoke', id: key.id, at: '2026-03-01T00:00:00.000Z' }]);
    await store.db.commit([{ kind: 'key.touch', id: key.id, at: '2026-01-31T00:00:00.000Z', generation: 0 }]);
    expect(await store.keys.find(key.id)).toEqual({
      ...key,
      revokedAt: '2026-02-01T00:00:00.000Z',
      lastUsedAt: '2026-01-31T00:00:00.000Z',
    });
    await expect(store.db.commit([{ kind: 'key.revoke', id: 'nobody', at: key.createdAt }])).rejects.toMatchObject({ code: 'conflict' });
    await expect(store.db.commit([{ kind: 'key.insert', key }])).rejects.toMatchObject({ code: 'conflict' });
  });

  it('keeps database, log and index from other users of the host', async () => {
    await store.db.commit(intent(sampleRun()));
    for (const file of ['sallyport.db', 'sallyport.db-wal', 'sallyport.db-shm']) {
      expect((await stat(join(store.folder, file))).mode & 0o777).toBe(0o600);
    }
  });

  it('refuses every write once its file was replaced', async () => {
    await store.db.commit(intent(sampleRun()));
    await store.db.checkWritable();
    await rename(join(store.folder, 'sallyport.db'), join(store.folder, 'moved.db'));
    await expect(store.db.commit(intent(sampleRun()))).rejects.toMatchObject({ code: 'storage_unavailable' });
    await writeFile(join(store.folder, 'sallyport.db'), '');
    await expect(store.db.commit(intent(sampleRun()))).rejects.toMatchObject({ code: 'storage_unavailable' });
    await expect(store.db.checkWritable()).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  it('keeps its log small', async () => {
    const data = 'x'.repeat(200_000);
    for (let index = 0; index < 100; index += 1) {
      const run = sampleRun();
      await store.db.commit([
        { kind: 'run.insert', run, output: [] },
        { kind: 'run.finish', run: finished(run), output: [{ stream: 'stdout', seq: 1, data }] },
      ]);
    }
    expect((await stat(join(store.folder, 'sallyport.db-wal'))).size).toBeLessThan(8 * 1024 ** 2);
  });
});

describe('the life of the embedded store', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('finishes commits under way before it stops, then refuses', async () => {
    const store = await openStore();
    const commits = Array.from({ length: 600 }, () => store.db.commit(intent(sampleRun())));
    await Promise.all([store.db.stop(), store.db.stop()]);
    await Promise.all(commits);
    await expect(store.db.commit([])).rejects.toMatchObject({ code: 'storage_unavailable' });
    await expect(store.keys.list()).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(await readdir(store.folder)).toEqual(['sallyport.db']);
    expect(withDatabase(store.folder, (database) => database.prepare('select count(*) as n from runs').get())).toEqual({ n: 600 });
    await store.close();
  });

  it('stops before it was started, and after half a start', async () => {
    await new SqliteDb(join(folder, 'never')).stop();
    await mkdir(join(folder, 'sallyport.db'));
    const db = new SqliteDb(folder);
    await expect(db.start()).rejects.toMatchObject({ code: 'storage_unavailable' });
    await db.stop();
  });

  it('makes its folder for us alone', async () => {
    const dataDir = join(folder, 'deep', 'data');
    const store = await openStore({ folder: dataDir });
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
    await store.close();
  });

  it('refuses a database that a newer version has changed', async () => {
    const store = await openStore();
    await store.db.stop();
    store.tamper("insert into kysely_migration (name, timestamp) values ('9999-from-the-future', '2030-01-01T00:00:00.000Z')");
    await expect(new SqliteDb(store.folder).start()).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: expect.stringContaining('9999-from-the-future'),
    });
    await store.close();
  });

  it('makes nobody wait for a writer that hangs, and goes on when it answers', async () => {
    const store = await openStore({ limits: { deadlineMs: 100 } });
    await withDatabaseLocked(store.folder, async () => {
      await expect(store.db.commit(intent(sampleRun()))).rejects.toMatchObject({ code: 'storage_unavailable' });
      await expect(store.db.commit(intent(sampleRun()))).rejects.toMatchObject({ code: 'storage_unavailable' });
      await expect(store.db.checkWritable()).rejects.toMatchObject({ code: 'storage_unavailable' });
    });
    await eventually(() => store.db.checkWritable());
    await store.db.commit(intent(sampleRun()));
    await store.close();
  });
});

/** Holds the writing lock as another process would. */
async function withDatabaseLocked(folder: string, work: () => Promise<void>): Promise<void> {
  const database = new Database(join(folder, 'sallyport.db'));
  try {
    database.exec('BEGIN IMMEDIATE');
    await work();
  } finally {
    database.close();
  }
}
