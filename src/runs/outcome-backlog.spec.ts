import { describe, expect, it } from '@jest/globals';
import { eventually } from '../../test/kit/eventually.js';
import { auditAppend, finished, sampleRun } from '../../test/kit/storage.js';
import { Db, type Write } from '../domain/db.js';
import { type ErrorCode, GatewayError } from '../domain/errors.js';
import { OutcomeBacklog } from './outcome-backlog.js';

/** Takes commits, or refuses them with this. */
class Moody extends Db {
  refusing: ErrorCode | undefined = 'storage_unavailable';
  attempts = 0;
  readonly taken: string[] = [];

  override async commit(writes: readonly Write[]): Promise<void> {
    this.attempts += 1;
    if (this.refusing) throw new GatewayError(this.refusing, 'Not now.');
    this.taken.push(...writes.map((write) => (write.kind === 'audit.append' ? write.record.subject : write.kind)));
  }
}

const end = (subject: string): Write[] => [auditAppend(subject, { action: 'run.outcome' })];

describe('the backlog of outcomes', () => {
  it('records everything, in order, once the store takes writes again, and asks it with one of them alone until then', async () => {
    const db = new Moody();
    const told: number[] = [];
    const backlog = new OutcomeBacklog(db, (recorded) => told.push(recorded));
    const recorded = ['a', 'b', 'c'].map((subject) => backlog.record(end(subject)));
    await eventually(() => db.attempts === 1);
    expect([db.taken, backlog.size]).toEqual([[], 3]);
    db.refusing = undefined;
    await Promise.all(recorded);
    expect(db.taken).toEqual(['a', 'b', 'c']);
    expect([backlog.size, told]).toEqual([0, [3]]);
  });

  it('is done with what a commit in doubt has recorded already', async () => {
    const db = new Moody();
    db.refusing = 'conflict';
    const backlog = new OutcomeBacklog(db);
    await backlog.record(end('a'));
    expect([backlog.size, db.taken]).toEqual([0, []]);
  });

  it('tries once more when it is closed, and then no more', async () => {
    const db = new Moody();
    const backlog = new OutcomeBacklog(db);
    void backlog.record(end('a'));
    await backlog.close();
    void backlog.record(end('b'));
    expect([db.attempts, backlog.size]).toEqual([1, 2]);
    db.refusing = undefined;
    await backlog.close();
    expect(db.taken).toEqual(['a', 'b']);
  });

  it.each([
    ['many ends', 1_000, ''],
    ['much output', 1, 'x'.repeat(64 * 1024 ** 2)],
  ])('is full with %s', (_what, count, data) => {
    const backlog = new OutcomeBacklog(new Moody());
    const run = finished(sampleRun());
    const write: Write = { kind: 'run.finish', run, output: [{ stream: 'stdout', seq: 1, data }] };
    for (let index = 1; index < count; index += 1) void backlog.record([write]);
    expect(backlog.full).toBe(false);
    void backlog.record([write]);
    expect(backlog.full).toBe(true);
  });
});
