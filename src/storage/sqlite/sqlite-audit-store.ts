import { setImmediate } from 'node:timers/promises';
import { sql } from 'kysely';
import { AuditStore, type AuditEntry, type AuditFilter, type Page } from '../../domain/audit.js';
import type { AuditCheckpoint } from '../../domain/audit-checkpoint.js';
import { auditEntryOf, type AuditRow } from '../schema.js';
import type { ReadStatement, SqliteReader } from './sqlite-reader.js';

/** Entries read at a time while walking the whole log; other work gets its turn in between. */
const PIECE = 250;
/** Entries looked at, at a time, in search of those that a filter lets through: some milliseconds. */
const SEARCHED = 10_000;
const BEYOND_ALL = Number.MAX_SAFE_INTEGER;

interface PageInput {
  readonly limit: number;
  readonly before: number;
}

/** Null: any. */
interface SearchInput extends PageInput {
  readonly floor: number;
  readonly action: string | null;
  readonly principal: string | null;
  readonly subject: string | null;
  readonly from: string | null;
  readonly to: string | null;
}

type PageQuery = Parameters<AuditStore['page']>[0];

export class SqliteAuditStore extends AuditStore {
  private readonly newestFirst: ReadStatement<PageInput, AuditRow>;
  /** Of an action that is indexed; the index needs its very condition in the query. */
  private readonly newestFirstOfAction: ReadStatement<PageInput & { action: string }, AuditRow>;
  private readonly search: ReadStatement<SearchInput, AuditRow>;
  private readonly nextBelow: ReadStatement<{ before: number }, { seq: number }>;
  private readonly oldestFirst: ReadStatement<{ after: number; last: number }, AuditRow>;
  private readonly one: ReadStatement<{ seq: number }, AuditRow>;
  private readonly checkpointsAfter: ReadStatement<{ after: number }, AuditCheckpoint>;
  private readonly newestCheckpoint: ReadStatement<object, AuditCheckpoint>;

  constructor(reader: SqliteReader) {
    super();
    this.newestFirst = reader.statement((db, given) =>
      db.selectFrom('audit_entries').selectAll().where('seq', '<', given.before).orderBy('seq', 'desc').limit(given.limit),
    );
    this.newestFirstOfAction = reader.statement((db, given) =>
      db
        .selectFrom('audit_entries')
        .selectAll()
        .where('action', '=', given.action)
        .where(sql<boolean>`action not in ('run.intent', 'run.outcome')`)
        .where('seq', '<', given.before)
        .orderBy('seq', 'desc')
        .limit(given.limit),
    );
    this.search = searchStatement(reader);
    this.nextBelow = reader.statement((db, given) =>
      db.selectFrom('audit_entries').select('seq').where('seq', '<', given.before).orderBy('seq', 'desc').limit(1),
    );
    this.oldestFirst = reader.statement((db, given) =>
      db.selectFrom('audit_entries').selectAll().where('seq', '>', given.after).where('seq', '<=', given.last).orderBy('seq').limit(PIECE),
    );
    this.one = reader.statement((db, given) => db.selectFrom('audit_entries').selectAll().where('seq', '=', given.seq));
    this.checkpointsAfter = reader.statement((db, given) =>
      db.selectFrom('audit_checkpoints').selectAll().where('size', '>', given.after).orderBy('size').limit(PIECE),
    );
    this.newestCheckpoint = reader.statement((db) => db.selectFrom('audit_checkpoints').selectAll().orderBy('size', 'desc').limit(1));
  }

  async page(query: PageQuery): Promise<Page<AuditEntry>> {
    const { limit } = query;
    const rows = await this.newest({ ...query, limit: limit + 1 });
    const items = rows.slice(0, limit).map(auditEntryOf);
    return { items, nextCursor: rows.length > limit ? String(items.at(-1)?.seq) : null };
  }

  async find(seq: number): Promise<AuditEntry | undefined> {
    const row = this.one.first({ seq });
    return row && auditEntryOf(row);
  }

  async *entries(): AsyncIterable<AuditEntry> {
    const last = this.nextBelow.first({ before: BEYOND_ALL })?.seq ?? 0;
    for (let after = Number.MIN_SAFE_INTEGER; ; await setImmediate()) {
      const rows = this.oldestFirst.all({ after, last });
      yield* rows.map(auditEntryOf);
      if (rows.length < PIECE) return;
      after = rows.at(-1)?.seq ?? last;
    }
  }

  async *checkpoints(): AsyncIterable<AuditCheckpoint> {
    for (let after = Number.MIN_SAFE_INTEGER; ; await setImmediate()) {
      const rows = this.checkpointsAfter.all({ after });
      yield* rows;
      if (rows.length < PIECE) return;
      after = rows.at(-1)?.size ?? BEYOND_ALL;
    }
  }

  async latestCheckpoint(): Promise<AuditCheckpoint | undefined> {
    return this.newestCheckpoint.first({});
  }

  private newest({ limit, before = BEYOND_ALL, ...filter }: PageQuery): AuditRow[] | Promise<AuditRow[]> {
    const { action, ...others } = filter;
    if (Object.values(others).some((value) => value !== undefined) || isOfRuns(action)) return this.found({ limit, before }, filter);
    return action === undefined ? this.newestFirst.all({ limit, before }) : this.newestFirstOfAction.all({ limit, before, action });
  }

  /** No index tells these: the log is looked through, piece by piece, and other work gets its turn in between. */
  private async found({ limit, before }: PageInput, filter: AuditFilter): Promise<AuditRow[]> {
    const { action = null, principal = null, subject = null, from = null, to = null } = filter;
    const rows: AuditRow[] = [];
    for (let end = before; ; await setImmediate()) {
      const next = this.nextBelow.first({ before: end });
      if (!next) return rows;
      const floor = next.seq - SEARCHED;
      const wanted = { limit: limit - rows.length, before: end, floor, action, principal, subject, from, to };
      rows.push(...this.search.all(wanted));
      if (rows.length >= limit) return rows;
      end = floor + 1;
    }
  }
}

/** What every run leaves is in no index. */
function isOfRuns(action: AuditFilter['action']): boolean {
  return action === 'run.intent' || action === 'run.outcome';
}

function searchStatement(reader: SqliteReader): ReadStatement<SearchInput, AuditRow> {
  return reader.statement((db, given) =>
    db
      .selectFrom('audit_entries')
      .selectAll()
      .where('seq', '<', given.before)
      .where('seq', '>', given.floor)
      .where(sql<boolean>`(${given.action} is null or action = ${given.action})`)
      .where(sql<boolean>`(${given.principal} is null or principal_id = ${given.principal})`)
      .where(sql<boolean>`(${given.subject} is null or subject = ${given.subject})`)
      .where(sql<boolean>`(${given.from} is null or at >= ${given.from})`)
      .where(sql<boolean>`(${given.to} is null or at < ${given.to})`)
      .orderBy('seq', 'desc')
      .limit(given.limit),
  );
}
