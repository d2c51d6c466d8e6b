import { GatewayError } from '../domain/errors.js';
import { type PassageVector, VectorStore } from '../domain/vectors.js';
import type { DocumentFolder } from './documents.js';
import type { KnowledgeThread } from './knowledge-thread.js';
import type { KnowledgeWork } from './knowledge-work.js';

type TableWork = Extract<keyof KnowledgeWork, `table.${string}`>;

/** Vectors in a file beside the index. */
export class LocalVectors extends VectorStore {
  constructor(
    private readonly thread: KnowledgeThread,
    private readonly folders: readonly DocumentFolder[],
  ) {
    super();
  }

  override async place(signal: AbortSignal): Promise<string> {
    const place = await this.ask('table.place', {}, signal);
    if ('fault' in place) throw new GatewayError('executor_unavailable', place.fault);
    return `sqlite-vec ${place.name}`;
  }

  override async clear(signal: AbortSignal): Promise<string> {
    return `sqlite-vec ${await this.ask('table.clear', {}, signal)}`;
  }

  override put(passages: readonly PassageVector[], signal: AbortSignal): Promise<void> {
    return this.ask('table.put', { passages: passages.map(({ id, vector }) => ({ id, vector })) }, signal);
  }

  override remove(ids: readonly number[], signal: AbortSignal): Promise<void> {
    return this.ask('table.remove', { ids }, signal);
  }

  override nearest(vector: Float32Array, limit: number, signal: AbortSignal): Promise<readonly number[]> {
    return this.ask('table.nearest', { vector, limit }, signal);
  }

  private async ask<Kind extends TableWork>(
    kind: Kind,
    given: KnowledgeWork[Kind]['given'],
    signal: AbortSignal,
  ): Promise<KnowledgeWork[Kind]['result']> {
    try {
      return await this.thread.ask(kind, { folders: this.folders, given, signal });
    } catch (cause) {
      signal.throwIfAborted();
      throw new GatewayError('executor_unavailable', 'The file of the vectors cannot be used.', { cause });
    }
  }
}
