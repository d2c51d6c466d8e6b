import { setImmediate } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Page } from '../../domain/audit.js';
import type { Db } from '../../domain/db.js';
import type { OutputChunk, Run, RunId, RunStatus } from '../../domain/run.js';
import { type RunGist, RunStore, type Retention, type RunQuery } from '../../domain/stores.js';
import { outputOf, runOf, type OutputRow, type RunRow } from '../schema.js';
import { isAlive } from './process-identity.js';
import type { ReadStatement, SqliteReader } from './sqlite-reader.js';

/** Runs looked at, and at most forgotten, in one piece of retention. */
const PIECE = 500;

type GistQuery = Parameters<RunStore['gists']>[0];
type GistRow = Pick<RunRow, 'id' | 'command' | 'status' | 'finished_at'>;
type Weighed = Pick<RunRow, 'id' | 'finished_at'> & { readonly bytes: number | null };

export class SqliteRunStore extends RunStore {
  private readonly byId;
  private readonly outputById;
  private readonly unfinished;
  private readonly weighed;
  private readonly gistsOfAll: ReadStatement<GistQuery, GistRow>;
  private readonly gistsOfOne: ReadStatement<GistQuery, GistRow>;
  /** One statement for each combination of filters that was asked for. */
  private readonly pages = new Map<string, ReadStatement<RunQuery, RunRow>>();

  constructor(
    private readonly reader: SqliteReader,
    private readonly db: Db,
  ) {
    super();
    this.byId = reader.statement<{ id: string }, RunRow>((builder, given) =>
      builder.selectFrom('runs').selectAll().where('id', '=', given.id),
    );
    this.outputById = reader.statement<{ id: string }, Pick<OutputRow, 'chunks'>>((builder, given) =>
      builder.selectFrom('run_outputs').select('chunks').where('run_id', '=', given.id),
    );
    this.unfinished = reader.statement<object, RunRow>((builder) =>
      builder.selectFrom('runs').selectAll().where('finished_at', 'is', null).orderBy('id'),
    );
    const gists = (ofOne: boolean) =>
      reader.statement<GistQuery, GistRow>((builder, given) =>
        builder
          .selectFrom('runs')
          .select(['id', 'command', 'status', 'finished_at'])
          .where('id', '>', given.after)
          .$if(ofOne, (runs) => runs.where('principal_id', '=', given.principalId))
          .orderBy('id')
          .limit(given.limit),
      );
    [this.gistsOfAll, this.gistsOfOne] = [gists(false), gists(true)];
    this.weighed = reader.statement<{ before: string }, Weighed>((builder, given) =>
      builder
        .selectFrom('runs')
        .leftJoin('run_outputs', 'run_outputs.run_id', 'runs.id')
        .select(['runs.id', 'runs.finished_at', 'run_outputs.bytes'])
        .where('runs.id', '<', given.before)
        .orderBy('runs.id', 'desc')
        .limit(PIECE),
    );
  }

  async find(id: RunId): Promise<Run | undefined> {
    const row = this.byId.first({ id });
    return row && runOf(row);
  }

  async page(query: RunQuery): Promise<Page<Run>> {
    const rows = this.pageStatement(query).all({ ...query, limit: query.limit + 1 });
    const items = rows.slice(0, query.limit).map(runOf);
    return { items, nextCursor: rows.length > query.limit ? (items.at(-1)?.id ?? null) : null };
  }

  async gists(query: GistQuery): Promise<readonly RunGist[]> {
    const rows = (query.principalId === undefined ? this.gistsOfAll : this.gistsOfOne).all(query);
    return rows.map(({ id, command, status, finished_at }) => ({ id, command, status: status as RunStatus, finishedAt: finished_at }));
  }

  async output(id: RunId): Promise<readonly OutputChunk[]> {
    const row = this.outputById.first({ id });
    return row ? outputOf(row) : [];
  }

  async orphans(): Promise<readonly Run[]> {
    const rows = this.unfinished.all({});
    const dead = new Set(rows.map(({ owner }) => owner).filter((owner) => !isAlive(owner)));
    return rows.filter(({ owner }) => dead.has(owner)).map(runOf);
  }

  /** Walks from the newest run to the oldest, adding up, and forgets what lies beyond each bound; open runs stay. */
  async prune(retention: Retention): Promise<number> {
    const kept = { runs: 0, bytes: 0 };
    let removed = 0;
    for (let before = LAST_ID; ; await setImmediate()) {
      const piece = this.weighed.all({ before });
      const { runs, outputs } = beyond(retention, piece, kept);
      removed += runs.length;
      if (runs.length + outputs.length > 0) {
        await this.db.commit([
          { kind: 'run.remove', ids: runs },
          { kind: 'output.remove', ids: outputs },
        ]);
      }
      const last = piece.at(-1);
      if (!last || piece.length < PIECE) return removed;
      before = last.id;
    }
  }

  private pageStatement(query: RunQuery): ReadStatement<RunQuery, RunRow> {
    const { principalId, command, status, cursor } = query;
    const rows = rowsOf(status);
    const shape = [principalId, command, cursor].map((filter) => (filter === undefined ? '-' : '+')).join('') + rows;
    const known = this.pages.get(shape);
    if (known) return known;
    const statement = this.reader.statement<RunQuery, RunRow>((builder, given) =>
      builder
        .selectFrom('runs')
        .selectAll()
        .$if(principalId !== undefined, (runs) => runs.where('principal_id', '=', given.principalId))
        .$if(command !== undefined, (runs) => runs.where('command', '=', given.command))
        .$if(rows !== 'all', (runs) => runs.where('status', '=', given.status))
        .$if(rows === 'open', (runs) => runs.where('finished_at', 'is', null))
        .$if(rows === 'indexed', (runs) => runs.where(sql<boolean>`status not in ('queued', 'succeeded')`))
        .$if(cursor !== undefined, (runs) => runs.where('id', '<', given.cursor))
        .orderBy('id', 'desc')
        .limit(given.limit),
    );
    this.pages.set(shape, statement);
    return statement;
  }
}

/** Where rows of that status are found: those of an index need its very condition in the query. */
function rowsOf(status: RunStatus | undefined): 'all' | 'open' | 'succeeded' | 'indexed' {
  if (status === undefined) return 'all';
  if (status === 'succeeded') return status;
  return status === 'queued' ? 'open' : 'indexed';
}

/** Sorts after every run id. */
const LAST_ID = '\u{10ffff}';

/** What of the piece goes; adds the rest to `kept`. */
function beyond(
  retention: Retention,
  piece: readonly Weighed[],
  kept: { runs: number; bytes: number },
): { runs: RunId[]; outputs: RunId[] } {
  const runs: RunId[] = [];
  const outputs: RunId[] = [];
  for (const { id, finished_at, bytes } of piece) {
    const ended = finished_at !== null;
    if (ended && (finished_at < retention.before || kept.runs >= retention.maxRuns)) {
      runs.push(id);
      continue;
    }
    kept.runs += 1;
    kept.bytes += bytes ?? 0;
    if (bytes !== null && kept.bytes > retention.maxOutputBytes) outputs.push(id);
  }
  return { runs, outputs };
}
