import { hash } from 'node:crypto';
import type { PassageVector } from '../domain/vectors.js';
import type { Progress, Refreshed, VectorState, WordsFound } from './collection.js';
import type { DocumentFolder } from './documents.js';
import type { Owed, SettledVectors, VectorSpace } from './vector-ledger.js';
import type { TablePlace } from './vector-table.js';

/** What the thread of the knowledge bases does, each for one set of folders. */
export interface KnowledgeWork {
  /** `near`: passages that are near the question by their vectors, the nearest first; null: nobody has looked. */
  search: { given: { readonly question: string; readonly limit: number; readonly near: readonly number[] | null }; result: WordsFound };
  /** Tells its progress. */
  refresh: { given: object; result: Refreshed };
  /** What the index knows of vectors that its passages have. */
  'vectors.space': { given: object; result: VectorSpace };
  'vectors.state': { given: object; result: VectorState };
  /** From now on vectors are of this space: those that there were are forgotten. */
  'vectors.adopt': { given: { readonly space: string }; result: void };
  /** What is to be done next, once the folders have been looked through. `after`: id of the last passage that was given before, from 0. */
  'vectors.owed': { given: { readonly after: number }; result: Owed };
  /** What has been done of it. */
  'vectors.settle': { given: SettledVectors; result: void };
  'table.place': { given: object; result: TablePlace };
  'table.clear': { given: object; result: string };
  'table.put': { given: { readonly passages: readonly Pick<PassageVector, 'id' | 'vector'>[] }; result: void };
  'table.remove': { given: { readonly ids: readonly number[] }; result: void };
  'table.nearest': { given: { readonly vector: Float32Array; readonly limit: number }; result: readonly number[] };
}

export type KnowledgeWorkKind = keyof KnowledgeWork;

/** To the thread. Each is answered by one {@link KnowledgeReply} of its id that is no `progress`. */
export interface KnowledgeRequest<Kind extends KnowledgeWorkKind = KnowledgeWorkKind> {
  readonly id: number;
  readonly kind: Kind;
  readonly folders: readonly DocumentFolder[];
  readonly given: KnowledgeWork[Kind]['given'];
}

export type KnowledgeReply =
  | { readonly kind: 'progress'; readonly id: number; readonly progress: Progress }
  | { readonly kind: 'done'; readonly id: number; readonly result: unknown }
  /** `reason` may name a path of the host. */
  | { readonly kind: 'failed'; readonly id: number; readonly reason: string };

/** What the thread starts with. */
export interface KnowledgeWorkerData {
  /** Where the indexes are kept. */
  readonly folder: string;
}

/** Equal folders are one base, whichever command names them. 32 hex digits. */
export function baseNameOf(folders: readonly DocumentFolder[]): string {
  return hash('sha256', JSON.stringify(folders)).slice(0, 32);
}
