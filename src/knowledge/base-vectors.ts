import { GatewayError } from '../domain/errors.js';
import type { Embedder, VectorStore } from '../domain/vectors.js';
import type { Progress, VectorState } from './collection.js';
import type { DocumentFolder } from './documents.js';
import { FUSED } from './knowledge-index.js';
import type { KnowledgeThread } from './knowledge-thread.js';
import type { KnowledgeWork } from './knowledge-work.js';
import type { OwedPassage } from './vector-ledger.js';

/** What the vectors of one base are made by, and where they are. */
export interface BaseParts {
  readonly thread: KnowledgeThread;
  readonly folders: readonly DocumentFolder[];
  readonly embedder: Embedder;
  readonly store: VectorStore;
  /** Ends what goes on beside the answers. */
  readonly stopping: AbortSignal;
}

/** What is near a question. */
export interface Near {
  /** The nearest first. */
  readonly ids: readonly number[];
  /** Why nobody could look, for callers. */
  readonly trouble: string | null;
  /** Whether the vectors are to be made anew. */
  readonly isVoid: boolean;
}

type ProgressListener = (progress: Progress) => void;
type VectorWork = 'vectors.space' | 'vectors.adopt' | 'vectors.state' | 'vectors.owed' | 'vectors.settle';

const STRANGE = 'The embedding provider answers with vectors of another length than before.';
/** Of the ledger, while what it knew is thrown away: the name of no space. */
const NOWHERE = '';

/**
 * The vectors of one set of folders: brought up to date beside the answers, searched as far as they are there. Whatever happens to the provider or
 * to where they are kept costs vectors alone: the words are found without them.
 */
export class BaseVectors {
  /** Why the last attempt to bring them up to date failed, for callers; null: it did not. */
  trouble: string | null = null;
  private catching: Promise<number> | undefined;
  private readonly listeners = new Set<ProgressListener>();
  private dimensions: number | null = null;
  /** Another length of vectors than the known one, of which one answer was. */
  private strange: number | null = null;
  /** Two answers in a row were: the known one is no longer right. */
  private isOutdated = false;

  constructor(private readonly parts: BaseParts) {}

  /** @throws the reason of `signal` */
  async near(question: string, signal: AbortSignal): Promise<Near> {
    try {
      const isCurrent = (await this.isCurrent(signal)) && !this.isOutdated;
      if (!isCurrent || this.dimensions === null) return { ids: [], trouble: null, isVoid: !isCurrent };
      const vector = await this.parts.embedder.embedQuestion(question, signal);
      if (!this.fits(vector)) return { ids: [], trouble: STRANGE, isVoid: this.isOutdated };
      return { ids: await this.parts.store.nearest(vector, FUSED, signal), trouble: null, isVoid: false };
    } catch (error) {
      signal.throwIfAborted();
      return { ids: [], trouble: reasonOf(error), isVoid: false };
    }
  }

  state(): Promise<VectorState> {
    return this.ask('vectors.state', {});
  }

  /**
   * Makes the vectors that are missing, and removes those of what is no more. Whoever asks while that is done already waits for the same.
   * @returns how many were made; `trouble` says whether that is all
   * @throws Error when the index fails, or everything is stopped
   */
  async catchUp(onProgress: ProgressListener = () => undefined): Promise<number> {
    this.listeners.add(onProgress);
    try {
      return await (this.catching ??= this.catchUpOnce().finally(() => (this.catching = undefined)));
    } finally {
      this.listeners.delete(onProgress);
    }
  }

  /** The same, for all that there is at this moment. */
  async catchUpFully(onProgress: ProgressListener): Promise<number> {
    const before = this.catching ? await this.catchUp(onProgress) : 0;
    return before + (await this.catchUp(onProgress));
  }

  /** Resolves when nothing goes on any more. */
  async settled(): Promise<void> {
    await this.catching?.catch(() => undefined);
  }

  private async catchUpOnce(): Promise<number> {
    const progress = { done: 0, of: 0 };
    try {
      await this.enter(this.parts.stopping);
      const { passages, there } = await this.state();
      progress.of = passages - there;
      await this.makeOwed(progress, this.parts.stopping);
      this.trouble = null;
    } catch (error) {
      this.trouble = 'The vectors cannot be kept: the index failed.';
      this.trouble = reasonOf(error);
    }
    return progress.done;
  }

  private async makeOwed(progress: { done: number; of: number }, signal: AbortSignal): Promise<void> {
    for (let after = 0; ;) {
      const { gone, passages } = await this.ask('vectors.owed', { after });
      if (gone.length === 0 && passages.length === 0) return;
      if (gone.length > 0) await this.parts.store.remove(gone, signal);
      const dimensions = passages.length > 0 ? await this.make(passages, signal) : null;
      await this.ask('vectors.settle', { gone, passages: passages.map(({ id }) => id), dimensions });
      after = passages.at(-1)?.id ?? after;
      progress.done += passages.length;
      progress.of = Math.max(progress.of, progress.done);
      if (passages.length > 0) for (const listener of this.listeners) listener({ step: 'embedded', ...progress });
    }
  }

  /** @returns the length of the vectors */
  private async make(passages: readonly OwedPassage[], signal: AbortSignal): Promise<number | null> {
    const { embedder, store } = this.parts;
    const vectors = await embedder.embedPassages(passages.map(textOf), signal);
    if (!vectors.every((vector) => this.fits(vector))) throw new GatewayError('executor_unavailable', STRANGE);
    await store.put(
      passages.flatMap(({ id, path, heading, text }, place) => {
        const vector = vectors[place];
        return vector ? [{ id, vector, path, heading, text }] : [];
      }),
      signal,
    );
    const [first] = vectors;
    return first?.length ?? null;
  }

  /** Sees to it that what is known of vectors is about those that are there. */
  private async enter(signal: AbortSignal): Promise<void> {
    if ((await this.isCurrent(signal)) && !this.isOutdated) return;
    // Cut short after this, it begins anew.
    await this.ask('vectors.adopt', { space: NOWHERE });
    const place = await this.parts.store.clear(signal);
    await this.ask('vectors.adopt', { space: this.spaceAt(place) });
    [this.dimensions, this.strange, this.isOutdated] = [null, null, false];
  }

  private async isCurrent(signal: AbortSignal): Promise<boolean> {
    const place = await this.parts.store.place(signal);
    const { space, dimensions } = await this.ask('vectors.space', {}, signal);
    this.dimensions = dimensions;
    return space === this.spaceAt(place);
  }

  private spaceAt(place: string): string {
    return `${this.parts.embedder.model} ${place}`;
  }

  /** One answer of another length is a fault of the provider; the second in a row means that its model is another one. */
  private fits({ length }: Float32Array): boolean {
    const isKnown = this.dimensions === null || length === this.dimensions;
    if (!isKnown && this.strange === length) this.isOutdated = true;
    this.strange = isKnown ? null : length;
    return isKnown;
  }

  private ask<Kind extends VectorWork>(kind: Kind, given: KnowledgeWork[Kind]['given'], signal = this.parts.stopping) {
    return this.parts.thread.ask(kind, { folders: this.parts.folders, given, signal });
  }
}

/** What a model is given of a passage: title and headings often have the word that the text takes for granted. */
function textOf({ title, heading, text }: OwedPassage): string {
  return `${heading.startsWith(title) ? heading : `${title}\n${heading}`.trimEnd()}\n\n${text}`;
}

/** @throws whatever is no failure of a service */
function reasonOf(error: unknown): string {
  if (error instanceof GatewayError) return error.message;
  throw error;
}
