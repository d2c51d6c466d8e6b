import { setImmediate } from 'node:timers/promises';
import { type DocumentFolder, findDocuments, type FoundDocument, readDocument } from './documents.js';
import { type FoundPassage, type IndexSize, KnowledgeIndex } from './knowledge-index.js';
import type { Owed, VectorLedger } from './vector-ledger.js';
import { VectorTable } from './vector-table.js';

/** What a look through the folders has changed. */
export interface Refreshed extends IndexSize {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  readonly unchanged: number;
  /** Paths of documents that could not be read; what was known of them is kept. The first hundred. */
  readonly unreadable: readonly string[];
  readonly durationMs: number;
}

export interface Progress {
  /** Documents that are new or changed are `read`; then what is new in them is `embedded`, passage by passage. */
  readonly step: 'read' | 'embedded';
  readonly done: number;
  readonly of: number;
}

/** What the words of a question lead to, together with what is near it. */
export interface WordsFound {
  readonly passages: readonly FoundPassage[];
  /** Where somebody has looked for what is near. */
  readonly vectors: VectorState | null;
}

/** How far the vectors of an index are behind it. */
export interface VectorState {
  /** Passages, and how many of them have a vector. */
  readonly passages: number;
  readonly there: number;
  /** Whether there is something to be done: vectors to be made or removed, or perhaps, as the folders are being looked through. */
  readonly isBehind: boolean;
}

type ProgressListener = (progress: Progress) => void;

/** Documents in one transaction. Between two of them questions are answered. */
const PIECE = 25;
/** The folders are looked through again, beside the answer, when the last look is so old. */
const STALE_MS = 30_000;
const MOST_UNREADABLE = 100;

/** The documents of some folders, and what is known of them. */
export class Collection {
  private readonly index: KnowledgeIndex;
  /** Vectors, unless they are kept elsewhere. */
  readonly table: VectorTable;
  private readonly stopping = new AbortController();
  private refreshing: Promise<Refreshed> | undefined;
  private readonly listeners = new Set<ProgressListener>();
  private refreshedAt = -Infinity;

  constructor(
    private readonly folders: readonly DocumentFolder[],
    /** Path of its files, without what they end in. */
    file: string,
  ) {
    this.index = new KnowledgeIndex(`${file}.db`);
    this.table = new VectorTable(`${file}.vectors.db`);
  }

  /** The first question waits until there is an index. Later ones are answered from what is known, which is then brought up to date. */
  async search(question: string, limit: number, near: readonly number[] | null): Promise<WordsFound> {
    const stale = performance.now() - this.refreshedAt > STALE_MS;
    if (stale && this.index.size.documents === 0) await this.refresh();
    // A folder that cannot be read now is told to whoever asks for a refresh.
    else if (stale) this.refresh().catch(() => undefined);
    return { passages: this.index.search(question, limit, near), vectors: near === null ? null : this.vectorState() };
  }

  get ledger(): VectorLedger {
    return this.index.ledger;
  }

  vectorState(): VectorState {
    const { passages } = this.index.size;
    const { there, gone } = this.index.ledger.count();
    return { passages, there, isBehind: gone || there < passages || this.refreshing !== undefined };
  }

  /** A look through the folders that is under way is waited for. @param after as for `VectorLedger.next` */
  async owed(after: number): Promise<Owed> {
    await this.refreshing?.catch(() => undefined);
    return this.index.ledger.next(after);
  }

  /** Reads what is new or changed. Whoever asks while that is done already waits for the same. */
  async refresh(onProgress: ProgressListener = () => undefined): Promise<Refreshed> {
    this.listeners.add(onProgress);
    try {
      return await (this.refreshing ??= this.look().finally(() => (this.refreshing = undefined)));
    } finally {
      this.listeners.delete(onProgress);
    }
  }

  async close(): Promise<void> {
    this.stopping.abort();
    await this.refreshing?.catch(() => undefined);
    this.index.close();
    await this.table.close();
  }

  private async look(): Promise<Refreshed> {
    const startedAt = performance.now();
    const known = this.index.known();
    const found = await findDocuments(this.folders, this.stopping.signal);
    const fresh = found.filter(({ path, mtimeMs, bytes }) => {
      const before = known.get(path);
      return before?.mtimeMs !== mtimeMs || before.bytes !== bytes;
    });
    const counts = await this.read(fresh, known);
    const removed = this.forgetOthers(found, known);
    this.refreshedAt = performance.now();
    return {
      ...this.index.size,
      ...counts,
      removed,
      unchanged: found.length - counts.added - counts.changed - counts.unreadable.length,
      unreadable: counts.unreadable.slice(0, MOST_UNREADABLE),
      durationMs: Math.round(this.refreshedAt - startedAt),
    };
  }

  private async read(fresh: readonly FoundDocument[], known: ReadonlyMap<string, unknown>) {
    const counts = { added: 0, changed: 0, unreadable: [] as string[] };
    for (let start = 0; start < fresh.length; start += PIECE) {
      const piece = fresh.slice(start, start + PIECE);
      const texts = await Promise.all(piece.map((document) => readDocument(document).catch(() => null)));
      this.index.together(() => {
        for (const [place, document] of piece.entries()) {
          const text = texts[place];
          if (!text) counts.unreadable.push(document.path);
          else if (this.index.put(document, text)) counts[known.has(document.path) ? 'changed' : 'added'] += 1;
        }
      });
      for (const listener of this.listeners) listener({ step: 'read', done: Math.min(start + PIECE, fresh.length), of: fresh.length });
      await setImmediate(undefined, { signal: this.stopping.signal });
    }
    return counts;
  }

  private forgetOthers(found: readonly FoundDocument[], known: ReadonlyMap<string, unknown>): number {
    const there = new Set(found.map(({ path }) => path));
    const gone = [...known.keys()].filter((path) => !there.has(path));
    this.index.together(() => gone.forEach((path) => this.index.remove(path)));
    return gone.length;
  }
}
