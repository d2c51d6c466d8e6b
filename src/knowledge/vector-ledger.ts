import type Database from 'better-sqlite3';

/** What the vectors of an index are. */
export interface VectorSpace {
  /** What made them and where they are, in one; null: there are none. */
  readonly space: string | null;
  /** Numbers in each; null before the first. */
  readonly dimensions: number | null;
}

export interface OwedPassage {
  readonly id: number;
  readonly path: string;
  readonly title: string;
  readonly heading: string;
  readonly text: string;
}

/** What is to be done so that the vectors are those of the passages. */
export interface Owed {
  /** Passages that are no more and whose vectors may still be there. */
  readonly gone: readonly number[];
  /** The next of those that have no vector yet. */
  readonly passages: readonly OwedPassage[];
}

export interface SettledVectors {
  readonly gone: readonly number[];
  readonly passages: readonly number[];
  readonly dimensions: number | null;
}

/** Passages that a model is given at once. */
const MOST_PASSAGES = 32;
const MOST_GONE = 500;

/**
 * `vectored`: passages whose vector is there, or (`is_there` 0) may be: from before it is put until that is known to have happened.
 * `vector_gone`: passages that went away after that.
 */
export const LEDGER_SCHEMA = `
  create table vector_space (space text not null, dimensions integer);
  create table vectored (passage_id integer primary key, is_there integer not null);
  create table vector_gone (passage_id integer primary key);
  create trigger passage_vector_out after delete on passages begin
    insert into vector_gone select passage_id from vectored where passage_id = old.id;
    delete from vectored where passage_id = old.id;
  end;
`;

/** Which passages have a vector, wherever that is kept: what was put there and removed from there is in here before and after. */
export class VectorLedger {
  private readonly statements;

  constructor(private readonly database: Database.Database) {
    const prepare = <Row>(sql: string) => database.prepare<unknown[], Row>(sql);
    this.statements = {
      space: prepare<VectorSpace>('select space, dimensions from vector_space'),
      adopt: prepare<unknown>('insert into vector_space (space) values (?)'),
      measured: prepare<unknown>('update vector_space set dimensions = ?'),
      gone: prepare<{ passage_id: number }>('select passage_id from vector_gone limit ?'),
      forget: prepare<unknown>('delete from vector_gone where passage_id = ?'),
      next: prepare<OwedPassage>(`
        select passages.id, path, passages.title, heading, text from passages join documents on documents.id = document_id
        where not exists (select 1 from vectored where passage_id = passages.id and is_there) and passages.id > ? order by passages.id limit ?
      `),
      mark: prepare<unknown>('insert or ignore into vectored (passage_id, is_there) values (?, 0)'),
      settle: prepare<unknown>('update vectored set is_there = 1 where passage_id = ?'),
      count: prepare<{ there: number; gone: number }>(
        'select (select count(*) from vectored where is_there) as there, exists (select 1 from vector_gone) as gone',
      ),
    };
  }

  get space(): VectorSpace {
    return this.statements.space.get() ?? { space: null, dimensions: null };
  }

  /** Passages whose vector is there, and whether any is there of a passage that is not. */
  count(): { readonly there: number; readonly gone: boolean } {
    const { there = 0, gone = 0 } = this.statements.count.get() ?? {};
    return { there, gone: gone === 1 };
  }

  adopt(space: string): void {
    this.database.transaction(() => {
      for (const table of ['vector_space', 'vectored', 'vector_gone']) this.database.exec(`delete from ${table}`);
      this.statements.adopt.run(space);
    })();
  }

  /**
   * What is owed next is noted as perhaps there.
   * @param after id of the last passage that was given before; 0 to begin
   */
  next(after: number): Owed {
    return this.database.transaction(() => {
      const passages = this.statements.next.all(after, MOST_PASSAGES);
      for (const { id } of passages) this.statements.mark.run(id);
      return { gone: this.statements.gone.all(MOST_GONE).map(({ passage_id: id }) => id), passages };
    })();
  }

  settle({ gone, passages, dimensions }: SettledVectors): void {
    this.database.transaction(() => {
      for (const id of gone) this.statements.forget.run(id);
      // Of a passage that went away meanwhile nothing is noted any more: it is among those that are gone.
      for (const id of passages) this.statements.settle.run(id);
      if (dimensions !== null) this.statements.measured.run(dimensions);
    })();
  }
}
