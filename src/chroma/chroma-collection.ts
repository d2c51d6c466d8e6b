import { z } from 'zod';
import { GatewayError } from '../domain/errors.js';
import { type PassageVector, VectorStore } from '../domain/vectors.js';

/** How a server answered. `missing` (400, 404): it does not know what the call is about. */
export type ChromaReply = { readonly kind: 'answered'; readonly value: unknown } | { readonly kind: 'missing' };

export interface ChromaCall {
  readonly method: 'POST' | 'DELETE';
  /** Below the database. */
  readonly path: string;
  readonly body?: object;
  /** Whether somebody may be waiting who can do without: then it is tried once, and not for long. */
  readonly isQuick: boolean;
  readonly signal: AbortSignal;
}

/** @throws GatewayError `executor_unavailable`, `breaker_open`; the reason of the signal when that aborts */
export type CallChroma = (call: ChromaCall) => Promise<ChromaReply>;

/** Ids are UUIDs; nothing else is put into an address. */
const collectionSchema = z.object({ id: z.uuid() });
/** One list for each vector that was asked for, the nearest first. */
const nearestSchema = z.object({ ids: z.tuple([z.array(z.string())]), distances: z.tuple([z.array(z.number().nullable())]) });

/** Vectors of one set of documents, in a collection that is made by the first use. */
export class ChromaCollection extends VectorStore {
  /** The server's id of it: another one, and it is empty. */
  private id: string | undefined;

  constructor(
    private readonly call: CallChroma,
    private readonly name: string,
  ) {
    super();
  }

  override async place(signal: AbortSignal): Promise<string> {
    this.id ??= await this.open(signal);
    return `chroma ${this.id}`;
  }

  override async clear(signal: AbortSignal): Promise<string> {
    await this.call({ method: 'DELETE', path: `collections/${this.name}`, isQuick: false, signal });
    this.id = undefined;
    return this.place(signal);
  }

  override async put(passages: readonly PassageVector[], signal: AbortSignal): Promise<void> {
    const body = {
      ids: passages.map(({ id }) => String(id)),
      embeddings: passages.map(({ vector }) => Array.from(vector)),
      documents: passages.map(({ text }) => text),
      metadatas: passages.map(({ path, heading }) => ({ path, heading })),
    };
    await this.inside('upsert', body, signal);
  }

  override async remove(ids: readonly number[], signal: AbortSignal): Promise<void> {
    await this.inside('delete', { ids: ids.map(String) }, signal);
  }

  override async nearest(vector: Float32Array, limit: number, signal: AbortSignal): Promise<readonly number[]> {
    const body = { query_embeddings: [Array.from(vector)], n_results: limit, include: ['distances'] };
    const read = nearestSchema.safeParse(await this.inside('query', body, signal));
    if (!read.success) throw unavailable('Chroma answers with something else than was asked for.');
    const { ids, distances } = read.data;
    return ids[0].filter((_, place) => (distances[0][place] ?? 1) < 1).map(Number);
  }

  private async inside(work: 'upsert' | 'delete' | 'query', body: object, signal: AbortSignal): Promise<unknown> {
    await this.place(signal);
    const reply = await this.call({ method: 'POST', path: `collections/${this.id}/${work}`, body, isQuick: work === 'query', signal });
    if (reply.kind === 'answered') return reply.value;
    // The next use finds or makes the one that is there then.
    this.id = undefined;
    throw unavailable('Chroma does not take that for the collection any more, which is opened anew.');
  }

  private async open(signal: AbortSignal): Promise<string> {
    const body = { name: this.name, get_or_create: true, configuration: { hnsw: { space: 'cosine' } } };
    const reply = await this.call({ method: 'POST', path: 'collections', body, isQuick: true, signal });
    if (reply.kind === 'missing') throw unavailable('Chroma does not open a collection: is there such a tenant and such a database?');
    const read = collectionSchema.safeParse(reply.value);
    if (!read.success) throw unavailable('Chroma answers with something else than was asked for.');
    return read.data.id;
  }
}

function unavailable(detail: string): GatewayError {
  return new GatewayError('executor_unavailable', detail, { failure: { kind: 'lost' } });
}
