import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { auditAppend, openStore, sampleKey, type TestStore, withDatabase } from '../../../test/kit/storage.js';
import type { AuditEntry } from '../../domain/audit.js';

describe('keys and audit entries as they are read', () => {
  let store: TestStore;

  beforeEach(async () => {
    store = await openStore();
  });
  afterEach(() => store.close());

  const append = (count: number, action: AuditEntry['action'] = 'run.intent') =>
    Promise.all(Array.from({ length: count }, (_, index) => store.db.commit([auditAppend(`${action}-${index}`, { action })])));

  it('finds a key by its id and lists the oldest first', async () => {
    const keys = [
      sampleKey({ id: 'b', createdAt: '2026-01-01T00:00:00.000Z' }),
      sampleKey({ id: 'a', expiresAt: '2027-01-01T00:00:00.000Z', scopes: [] }),
    ];
    await store.db.commit([...keys].reverse().map((key) => ({ kind: 'key.insert', key })));
    expect(await store.keys.list()).toEqual(keys);
    expect(await store.keys.find('a')).toEqual(keys[1]);
    for (const id of ['', 'A', 'ab', '\0', '\ud800', "' or 1=1 --"]) expect(await store.keys.find(id)).toBeUndefined();
  });

  it('sees what this process did to a key when it is told that it is done, and what others did in the next turn', async () => {
    await store.db.commit([{ kind: 'key.insert', key: sampleKey({ id: 'a' }) }]);
    expect(await store.keys.find('a')).toMatchObject({ revokedAt: null });
    const revokedAt = '2026-02-01T00:00:00.000Z';
    const seen = store.db.commit([{ kind: 'key.revoke', id: 'a', at: revokedAt }]).then(() => store.keys.find('a'));
    await setImmediate();
    await store.keys.find('a');
    // In the same turn, so that the answer of the writer comes before the next one.
    const isRevoked = () => withDatabase(store.folder, (database) => database.prepare('select revoked_at from api_keys').pluck().get());
    while (isRevoked() === null);
    expect(await seen).toMatchObject({ revokedAt });
    store.tamper("update api_keys set name = 'renamed'");
    await setImmediate();
    expect(await store.keys.find('a')).toMatchObject({ name: 'renamed' });
  });

  it('pages the log from newest to oldest, stable while entries come in', async () => {
    await append(12);
    const seen: number[] = [];
    let before: number | undefined;
    for (;;) {
      const page = await store.audit.page({ limit: 5, ...(before === undefined ? {} : { before }) });
      seen.push(...page.items.map(({ seq }) => seq));
      if (page.nextCursor === null) break;
      before = Number(page.nextCursor);
      await append(2);
    }
    expect(seen).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
  });

  it('pages the entries of one action', async () => {
    await append(3);
    await append(3, 'key.created');
    await append(3);
    const first = await store.audit.page({ limit: 2, action: 'key.created' });
    const second = await store.audit.page({ limit: 2, action: 'key.created', before: Number(first.nextCursor) });
    expect([...first.items, ...second.items].map(({ seq }) => seq)).toEqual([6, 5, 4]);
    expect(second.nextCursor).toBeNull();
    const ofRuns = await store.audit.page({ limit: 9, action: 'run.intent', before: 8 });
    expect(ofRuns.items.map(({ seq }) => seq)).toEqual([7, 3, 2, 1]);
  });

  it('finds the entries of a rare action by an index', () => {
    const page = `select * from audit_entries where action = 'x' and action not in ('run.intent', 'run.outcome') and seq < 9 order by seq desc`;
    const plan = withDatabase(store.folder, (database) => JSON.stringify(database.prepare(`explain query plan ${page}`).all()));
    expect(plan).toMatch(/USING INDEX audit_entries_by_action/);
    expect(plan).not.toMatch(/TEMP B-TREE/);
  });

  it('walks the whole log and lets others have their turn', async () => {
    await append(1_000);
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 0);
    const seqs: number[] = [];
    for await (const entry of store.audit.entries()) seqs.push(entry.seq);
    clearInterval(timer);
    expect(seqs).toEqual(Array.from({ length: 1_000 }, (_, index) => index + 1));
    expect(turns).toBeGreaterThan(0);
  });

  it('shows details somebody spoilt as what they are', async () => {
    await append(2);
    store.tamper('update audit_entries set details = \'{"command": "git.log"}\' where seq = 1');
    store.tamper("update audit_entries set details = '{' where seq = 2");
    expect((await store.audit.page({ limit: 2 })).items.map(({ details }) => details)).toEqual([
      { unreadable: '{' },
      { unreadable: '{"command": "git.log"}' },
    ]);
  });
});
