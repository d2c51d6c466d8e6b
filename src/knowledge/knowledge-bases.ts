import type { Embedder, VectorStore } from '../domain/vectors.js';
import { BaseVectors } from './base-vectors.js';
import type { Progress, Refreshed, VectorState } from './collection.js';
import type { DocumentFolder } from './documents.js';
import type { FoundPassage } from './knowledge-index.js';
import { KnowledgeThread } from './knowledge-thread.js';
import { baseNameOf } from './knowledge-work.js';
import { LocalVectors } from './local-vectors.js';

/** What makes it possible to find by meaning. */
export interface Meaning {
  readonly embedder: Embedder;
  /** Where the vectors of a base are kept, by its name; undefined: in its own index. */
  readonly storeOf?: ((base: string) => VectorStore) | undefined;
}

/** An answer to a question. */
export interface Found {
  /** Best first. */
  readonly passages: readonly FoundPassage[];
  /** Why less was found than could be, in a sentence for callers; null: it was not. */
  readonly degraded: string | null;
}

/** What a refresh has changed, and where the vectors are then. */
export interface RefreshedBase extends Refreshed {
  /** Passages with a vector, and how many of them were made now. */
  readonly vectors: number;
  readonly embedded: number;
  readonly degraded: string | null;
}

/** How a base does that was asked since the start. */
export interface BaseState {
  /** As its folders are called. */
  readonly of: string;
  /** Why its vectors are behind, in a sentence for callers; null: they are not, as far as is known. */
  readonly trouble: string | null;
}

/** Answers questions from folders of documents: by their words, and by their meaning where there is a model for that. */
export class KnowledgeBases {
  private readonly thread: KnowledgeThread;
  private readonly stopping = new AbortController();
  private readonly vectors = new Map<string, { readonly of: string; readonly base: BaseVectors }>();

  /**
   * @param folder where the indexes are kept; made when it is needed
   * @param meaning null: words alone
   */
  constructor(
    folder: string,
    private readonly meaning: Meaning | null = null,
  ) {
    this.thread = new KnowledgeThread(folder);
  }

  /** @throws Error when the folders cannot be read, and the signal's reason when it is aborted */
  async search(folders: readonly DocumentFolder[], question: string, limit: number, signal: AbortSignal): Promise<Found> {
    const base = this.vectorsOf(folders);
    const near = await base?.near(question, signal);
    const given = { question, limit, near: near?.ids ?? null };
    const { passages, vectors } = await this.thread.ask('search', { folders, given, signal });
    if (!base || !near || !vectors) return { passages, degraded: null };
    // Beside the answer. What goes wrong is told by the next one, and by the probe.
    if (near.isVoid || vectors.isBehind) base.catchUp().catch(() => undefined);
    return { passages, degraded: near.trouble === null ? lackOf(vectors, base) : `Found by words alone. ${near.trouble}` };
  }

  /**
   * Brings the index up to date. It goes on when the signal is aborted, for the others who ask.
   * @throws like {@link search}
   */
  async refresh(folders: readonly DocumentFolder[], signal: AbortSignal, onProgress: (progress: Progress) => void): Promise<RefreshedBase> {
    const refreshed = await this.thread.ask('refresh', { folders, given: {}, signal, onProgress });
    const base = this.vectorsOf(folders);
    if (!base) return { ...refreshed, vectors: 0, embedded: 0, degraded: null };
    const embedded = await leftOnAbort(base.catchUpFully(onProgress), signal);
    const state = await base.state();
    return { ...refreshed, vectors: state.there, embedded, degraded: lackOf(state, base) };
  }

  /** Whether there is a model for meanings, and how the bases do that were asked. */
  get states(): readonly BaseState[] {
    return [...this.vectors.values()].map(({ of, base }) => ({ of, trouble: base.trouble }));
  }

  /** May be called at any time, and again. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all([...this.vectors.values()].map(({ base }) => base.settled()));
    await this.thread.stop();
  }

  private vectorsOf(folders: readonly DocumentFolder[]): BaseVectors | undefined {
    if (!this.meaning) return undefined;
    const { embedder, storeOf } = this.meaning;
    const name = baseNameOf(folders);
    const known = this.vectors.get(name)?.base;
    if (known) return known;
    const store = storeOf ? storeOf(name) : new LocalVectors(this.thread, folders);
    const base = new BaseVectors({ thread: this.thread, folders, embedder, store, stopping: this.stopping.signal });
    this.vectors.set(name, { of: folders.map((folder) => folder.name).join(', '), base });
    return base;
  }
}

function lackOf({ passages, there }: VectorState, { trouble }: BaseVectors): string | null {
  if (there >= passages) return trouble;
  const lack = `${passages - there} of ${passages} passages have no vector yet and are found by their words alone.`;
  return trouble === null ? lack : `${lack} ${trouble}`;
}

/** Rejects at once when the signal aborts; what was begun goes on. */
async function leftOnAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: left, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, left]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
