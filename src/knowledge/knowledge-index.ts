import { hash } from 'node:crypto';
import type Database from 'better-sqlite3';
import type { FoundDocument, DocumentText } from './documents.js';
import { openIndexFile } from './index-file.js';
import { matchQueryOf } from './match-query.js';
import { type Passage, passagesOf } from './passages.js';
import { fuseRanks } from './rank-fusion.js';
import { LEDGER_SCHEMA, VectorLedger } from './vector-ledger.js';

/** What leads to a passage: words of the question in it, or the nearness of their vectors. */
export type FoundBy = 'words' | 'meaning';

/** A passage that answers a question, best first. */
export interface FoundPassage {
  readonly path: string;
  readonly title: string;
  readonly heading: string;
  /** Where it begins in the document, from 1. */
  readonly line: number;
  /** Larger is better; comparable within one answer alone. BM25, or where vectors are searched too, the fusion of both ranks. */
  readonly score: number;
  readonly foundBy: readonly FoundBy[];
  /** The part of it that has the words that were asked for; where it has none, its beginning. */
  readonly snippet: string;
  readonly text: string;
}

export interface IndexSize {
  readonly documents: number;
  readonly passages: number;
}

/** What is known of a document without reading it. */
export interface KnownDocument {
  readonly mtimeMs: number;
  readonly bytes: number;
}

/** Rises whenever passages are cut or kept in another way: an index of another version is made anew. */
const VERSION = 2;
const SNIPPET_WORDS = 32;
/** Passages of each kind of search that are fused. */
export const FUSED = 50;
/** How much a word weighs in the title, in the headings and in the text. */
const WEIGHTS = '5.0, 3.0, 1.0';

const SCHEMA = `
  create table documents (
    id integer primary key, path text not null unique, title text not null, mtime_ms integer not null, bytes integer not null,
    digest text not null
  );
  create table passages (
    id integer primary key autoincrement, document_id integer not null references documents (id) on delete cascade,
    title text not null, heading text not null, line integer not null, text text not null
  );
  create index passages_of_document on passages (document_id);
  create virtual table passage_words using fts5 (
    title, heading, text, content='passages', content_rowid='id', tokenize="porter unicode61 remove_diacritics 2"
  );
  create trigger passage_in after insert on passages begin
    insert into passage_words (rowid, title, heading, text) values (new.id, new.title, new.heading, new.text);
  end;
  create trigger passage_out after delete on passages begin
    insert into passage_words (passage_words, rowid, title, heading, text) values ('delete', old.id, old.title, old.heading, old.text);
  end;
  ${LEDGER_SCHEMA}
`;

interface DocumentRow {
  readonly id: number;
  readonly path: string;
  readonly mtime_ms: number;
  readonly bytes: number;
  readonly digest: string;
}

type PassageRow = Omit<FoundPassage, 'score' | 'foundBy' | 'snippet'> & { readonly id: number };
type WordsRow = PassageRow & Pick<FoundPassage, 'score' | 'snippet'>;
type KnownPassage = Pick<PassageRow, 'id' | 'title' | 'heading' | 'text'>;

/** The words of a set of documents, in a file of its own that can be thrown away at any time: it is made from the documents alone. */
export class KnowledgeIndex {
  /** Which passages have vectors. */
  readonly ledger: VectorLedger;
  private readonly database: Database.Database;
  private readonly statements;

  /** @param file made when it is not there; made anew when it is damaged or of another version */
  constructor(file: string) {
    this.database = openIndexFile({ file, version: VERSION, schema: SCHEMA });
    const prepare = <Row>(sql: string) => this.database.prepare<unknown[], Row>(sql);
    this.statements = {
      byPath: prepare<DocumentRow>('select * from documents where path = ?'),
      known: prepare<Omit<DocumentRow, 'id' | 'digest'>>('select path, mtime_ms, bytes from documents'),
      insert: prepare<unknown>('insert into documents (path, title, mtime_ms, bytes, digest) values (?, ?, ?, ?, ?)'),
      title: prepare<unknown>('update documents set title = ?, mtime_ms = ?, bytes = ?, digest = ? where id = ?'),
      touch: prepare<unknown>('update documents set mtime_ms = ?, bytes = ? where id = ?'),
      remove: prepare<unknown>('delete from documents where path = ?'),
      passage: prepare<unknown>('insert into passages (document_id, title, heading, line, text) values (?, ?, ?, ?, ?)'),
      passagesOf: prepare<KnownPassage>('select id, title, heading, text from passages where document_id = ?'),
      move: prepare<unknown>('update passages set line = ? where id = ?'),
      drop: prepare<unknown>('delete from passages where id = ?'),
      byId: prepare<PassageRow>(
        'select passages.id, path, passages.title, heading, line, text from passages join documents on documents.id = document_id where passages.id = ?',
      ),
      size: prepare<IndexSize>('select (select count(*) from documents) as documents, (select count(*) from passages) as passages'),
      search: prepare<WordsRow>(`
        select passages.id, path, passages.title, heading, line, -rank as score, snippet, passages.text
        from (
          select rowid, rank, snippet(passage_words, 2, '', '', '…', ${SNIPPET_WORDS}) as snippet
          from passage_words where passage_words match ? and rank match 'bm25(${WEIGHTS})' order by rank limit ?
        ) as found
        join passages on passages.id = found.rowid
        join documents on documents.id = passages.document_id
        order by rank
      `),
    };
    this.ledger = new VectorLedger(this.database);
  }

  get size(): IndexSize {
    return this.statements.size.get() ?? { documents: 0, passages: 0 };
  }

  known(): ReadonlyMap<string, KnownDocument> {
    return new Map(this.statements.known.all().map(({ path, mtime_ms, bytes }) => [path, { mtimeMs: mtime_ms, bytes }]));
  }

  /** Takes a document in, instead of what was known of it. Says whether it says something else than before. */
  put(found: FoundDocument, { title, text, markdown }: DocumentText): boolean {
    const digest = hash('sha256', `${title}\n${text}`);
    const before = this.statements.byPath.get(found.path);
    if (before?.digest === digest) {
      this.statements.touch.run(found.mtimeMs, found.bytes, before.id);
      return false;
    }
    const passages = passagesOf(text, markdown);
    if (before) {
      this.statements.title.run(title, found.mtimeMs, found.bytes, digest, before.id);
      this.replace(before.id, title, passages);
    } else {
      const { lastInsertRowid } = this.statements.insert.run(found.path, title, found.mtimeMs, found.bytes, digest);
      for (const passage of passages) this.add(lastInsertRowid, title, passage);
    }
    return true;
  }

  remove(path: string): void {
    this.statements.remove.run(path);
  }

  /** All or nothing of what `work` does. */
  together(work: () => void): void {
    this.database.transaction(work)();
  }

  /** @param near ids of passages that mean something like it, the nearest first; null: nobody has looked for any */
  search(question: string, limit: number, near: readonly number[] | null): readonly FoundPassage[] {
    if (near === null) return this.byWords(question, limit).map((row) => found(row, ['words']));
    const words = new Map(this.byWords(question, FUSED).map((row) => [row.id, row]));
    const others = near.filter((id) => !words.has(id)).flatMap((id) => this.statements.byId.get(id) ?? []);
    const known = new Map<number, WordsRow>([...words, ...others.map((row) => [row.id, withBeginning(row)] as const)]);
    const meant = near.filter((id) => known.has(id));
    return fuseRanks([[...words.keys()], meant], limit).flatMap(({ id, score, isIn: [byWords, byMeaning] }) => {
      const row = known.get(id);
      const foundBy = [byWords ? ('words' as const) : [], byMeaning ? ('meaning' as const) : []].flat();
      return row ? [found({ ...row, score }, foundBy)] : [];
    });
  }

  close(): void {
    this.database.close();
  }

  /** Passages with all words of the question; where these are too few, those with some of them follow. */
  private byWords(question: string, limit: number): readonly WordsRow[] {
    const query = matchQueryOf(question);
    if (query === null) return [];
    const best = this.statements.search.all(query.all, limit);
    if (best.length >= limit || query.all === query.any) return best;
    const ids = new Set(best.map(({ id }) => id));
    const others = this.statements.search.all(query.any, limit).filter(({ id }) => !ids.has(id));
    return [...best, ...others].slice(0, limit);
  }

  /** What a document still says keeps its row, and with it its vector. */
  private replace(document: number | bigint, title: string, passages: readonly Passage[]): void {
    const before = new Map<string, number[]>();
    for (const passage of this.statements.passagesOf.all(document)) {
      const known = before.get(contentOf(passage));
      if (known) known.push(passage.id);
      else before.set(contentOf(passage), [passage.id]);
    }
    for (const passage of passages) {
      const id = before.get(contentOf({ ...passage, title }))?.shift();
      if (id === undefined) this.add(document, title, passage);
      else this.statements.move.run(passage.line, id);
    }
    for (const id of [...before.values()].flat()) this.statements.drop.run(id);
  }

  private add(document: number | bigint, title: string, { heading, line, text }: Passage): void {
    this.statements.passage.run(document, title, heading, line, text);
  }
}

function contentOf({ title, heading, text }: Pick<KnownPassage, 'title' | 'heading' | 'text'>): string {
  return JSON.stringify([title, heading, text]);
}

function found({ path, title, heading, line, score, snippet, text }: WordsRow, foundBy: readonly FoundBy[]): FoundPassage {
  return { path, title, heading, line, score, foundBy, snippet, text };
}

function withBeginning(row: PassageRow): WordsRow {
  const words = row.text.split(/\s+/, SNIPPET_WORDS + 1);
  const snippet = words.length > SNIPPET_WORDS ? `${words.slice(0, SNIPPET_WORDS).join(' ')}…` : row.text;
  return { ...row, score: 0, snippet };
}
