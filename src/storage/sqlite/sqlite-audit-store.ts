import { setImmediate } from 'node:timers/promises';
import { sql } from 'kysely';
import { AuditStore, type AuditAction, type AuditEntry, type Page } from '../../domain/audit.js';
import { auditEntryOf, type AuditRow } from '../schema.js';
import type { SqliteReader } from './sqlite-reader.js';

/** Entries read at a time while walking the whole log; other work gets its turn in between. */
const PIECE = 250;

interface PageInput {
  readonly limit: number;
  readonly before: number;
}

export class SqliteAuditStore extends AuditStore {
  private readonly newestFirst;
  /** Of an action that is indexed; the index needs its very condition in the query. */
  private readonly newestFirstOfAction;
  /** Of one that every run leaves. */
  private readonly newestFirstOfRuns;
  private readonly oldestFirst;

  constructor(reader: SqliteReader) {
    super();
    this.newestFirst = reader.statement<PageInput, AuditRow>((db, given) =>
      db.selectFrom('audit_entries').selectAll().where('seq', '<', given.before).orderBy('seq', 'desc').limit(given.limit),
    );
    this.newestFirstOfAction = reader.statement<PageInput & { action: string }, AuditRow>((db, given) =>
      db
        .selectFrom('audit_entries')
        .selectAll()
        .where('action', '=', given.action)
        .where(sql<boolean>`action not in ('run.intent', 'run.outcome')`)
        .where('seq', '<', given.before)
        .orderBy('seq', 'desc')
        .limit(given.limit),
    );
    this.newestFirstOfRuns = reader.statement<PageInput & { action: string }, AuditRow>((db, given) =>
      db
        .selectFrom('audit_entries')
        .selectAll()
        .where('action', '=', given.action)
        .where('seq', '<', given.before)
        .orderBy('seq', 'desc')
        .limit(given.limit),
    );
    this.oldestFirst = reader.statement<{ after: number }, AuditRow>((db, given) =>
      db.selectFrom('audit_entries').selectAll().where('seq', '>', given.after).orderBy('seq').limit(PIECE),
    );
  }

  async page(query: { limit: number; before?: number; action?: AuditAction }): Promise<Page<AuditEntry>> {
    const { limit, before = Number.MAX_SAFE_INTEGER, action } = query;
    const rows = this.newest({ limit: limit + 1, before }, action);
    const items = rows.slice(0, limit).map(auditEntryOf);
    return { items, nextCursor: rows.length > limit ? String(items.at(-1)?.seq) : null };
  }

  private newest(input: PageInput, action: AuditAction | undefined): AuditRow[] {
    if (action === undefined) return this.newestFirst.all(input);
    const ofAction = action === 'run.intent' || action === 'run.outcome' ? this.newestFirstOfRuns : this.newestFirstOfAction;
    return ofAction.all({ ...input, action });
  }

  async *entries(): AsyncIterable<AuditEntry> {
    let after = Number.MIN_SAFE_INTEGER;
    for (;;) {
      const rows = this.oldestFirst.all({ after });
      yield* rows.map(auditEntryOf);
      const last = rows.at(-1);
      if (!last || rows.length < PIECE) return;
      after = last.seq;
      await setImmediate();
    }
  }
}
