import { describe, expect, it } from '@jest/globals';
import { compileQuery } from './query.js';

describe('a query', () => {
  it('has a limit that never changes written out, for which SQLite need not plan it anew at each use', () => {
    const query = compileQuery<{ after: number }, object>((db, given) =>
      db.selectFrom('audit_entries').select('seq').where('seq', '>', given.after).limit(1),
    );
    expect(query).toEqual({ sql: 'select "seq" from "audit_entries" where "seq" > ? limit 1', parameters: [{ given: 'after' }] });
  });

  it('takes a limit that is given with each use as a parameter', () => {
    const query = compileQuery<{ limit: number }, object>((db, given) => db.selectFrom('audit_entries').select('seq').limit(given.limit));
    expect(query).toEqual({ sql: 'select "seq" from "audit_entries" limit ?', parameters: [{ given: 'limit' }] });
  });
});
