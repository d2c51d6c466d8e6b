import { setImmediate } from 'node:timers/promises';
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
  private readonly newestFirstOfAction;
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
    const input = { limit: limit + 1, before };
    const rows = action === undefined ? this.newestFirst.all(input) : this.newestFirstOfAction.all({ ...input, action });
    const items = rows.slice(0, limit).map(auditEntryOf);
    return { items, nextCursor: rows.length > limit ? String(items.at(-1)?.seq) : null };
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
