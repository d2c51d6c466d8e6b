/** Makes vectors of texts: the nearer two of them are, the more alike is what they say. */
export abstract class Embedder {
  /** Names what makes them: vectors of another model cannot be compared with these. */
  abstract readonly model: string;

  /**
   * Quick or not at all: somebody waits for an answer that can do without.
   * @throws GatewayError `executor_unavailable`, `breaker_open`; the reason of `signal` when that aborts
   */
  abstract embedQuestion(question: string, signal: AbortSignal): Promise<Float32Array>;

  /**
   * One vector for each text, in their order, all of one length. Tried again where that may help.
   * @param texts 64 at most
   * @throws like {@link embedQuestion}
   */
  abstract embedPassages(texts: readonly string[], signal: AbortSignal): Promise<readonly Float32Array[]>;
}

/** A passage, and where it lies. */
export interface PassageVector {
  /** Never given twice in one place of vectors. */
  readonly id: number;
  readonly vector: Float32Array;
  readonly path: string;
  readonly heading: string;
  readonly text: string;
}

/**
 * Where the vectors of one set of documents are kept and found.
 * Everything throws a GatewayError `executor_unavailable` or `breaker_open` with a reason for callers, or the reason of `signal`.
 */
export abstract class VectorStore {
  /** Names where they are now: another name, and nothing of what was put there before can be found any more. */
  abstract place(signal: AbortSignal): Promise<string>;
  /** Forgets all of them; gives the new place. */
  abstract clear(signal: AbortSignal): Promise<string>;
  /** Takes the place of those with the same ids. */
  abstract put(passages: readonly PassageVector[], signal: AbortSignal): Promise<void>;
  /** Ids that are not there are no mistake. */
  abstract remove(ids: readonly number[], signal: AbortSignal): Promise<void>;
  /** Ids of those that have something in common with it (cosine above 0), the nearest first. */
  abstract nearest(vector: Float32Array, limit: number, signal: AbortSignal): Promise<readonly number[]>;
}
