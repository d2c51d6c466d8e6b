import type { EmbeddingPlace } from '../config/llm-providers.js';
import { FAILURE_KINDS } from '../domain/failure.js';
import type { ChatOutcome, ModelUsage } from '../domain/llm.js';
import { Embedder } from '../domain/vectors.js';
import { callJson, jsonFailure, type JsonFailure } from '../outgoing/json-call.js';
import type { OutgoingClient } from '../outgoing/outgoing-client.js';
import { clientFor } from '../outgoing/service-client.js';
import { guardedCall } from '../resilience/guarded-call.js';
import type { GuardPolicy, Resilience } from '../resilience/resilience.js';
import type { WireUsage } from './chat-wire.js';
import { type Embedded, embeddingBody, readEmbeddings } from './embedding-wire.js';
import { addressOf, headersOf, usageOf } from './llm-client.js';

/** Somebody waits for the answer to a question, and gets one without it too. */
const QUESTION_MS = 3_000;
const PASSAGES_MS = 60_000;
const LIMITS = { connectMs: 10_000, headersMs: 0, idleMs: 0, responseBytes: 32 * 1024 ** 2, redirects: 0 };
/** The client's own limit, which says what took so long, comes first. */
const GRACE_MS = 500;

const ON = FAILURE_KINDS.filter((kind) => kind !== 'exit_code');
const BREAKER = { name: 'knowledge.embeddings', failures: 5, recoveryMs: 30_000, probes: 1, concurrent: null, on: ON };
const RETRY = { attempts: 3, delayMs: 200, maxDelayMs: 5_000, budgetMs: 30_000, attemptTimeoutMs: null, on: ON };
const WHO = 'The embedding provider';

export interface EmbeddingOptions {
  /** Where the provider may be although it is not public. */
  readonly privateRanges: readonly string[];
  readonly resilience: Resilience;
  /** Told of each call that ended. */
  readonly onCall: (outcome: ChatOutcome, usage: Omit<ModelUsage, 'counted'>) => void;
}

/** Asks the embedding model that the settings name, at OpenAI's `/embeddings`. Questions are asked once, passages again where that may help. */
export class EmbeddingClient extends Embedder {
  override readonly model: string;
  /** What its last call showed; null before the first one. */
  reached: boolean | null = null;
  private readonly quick: OutgoingClient;
  private readonly patient: OutgoingClient;

  constructor(
    readonly place: EmbeddingPlace,
    private readonly options: EmbeddingOptions,
  ) {
    super();
    this.model = `${place.name} ${place.model}`;
    const client = (totalMs: number) => clientFor(place.provider.url, options.privateRanges, { ...LIMITS, totalMs });
    [this.quick, this.patient] = [client(QUESTION_MS), client(PASSAGES_MS)];
    options.resilience.breakers.register(BREAKER);
  }

  override async embedQuestion(question: string, signal: AbortSignal): Promise<Float32Array> {
    const ask = (own: AbortSignal) => this.ask(this.quick, [question], own);
    const [vector] = await this.guarded({ retry: null, timeoutMs: QUESTION_MS + GRACE_MS }, ask, signal);
    if (!vector) throw new Error('one text came to no vector');
    return vector;
  }

  override async embedPassages(texts: readonly string[], signal: AbortSignal): Promise<readonly Float32Array[]> {
    const ask = (own: AbortSignal) => this.ask(this.patient, texts, own);
    return this.guarded({ retry: RETRY, timeoutMs: PASSAGES_MS + GRACE_MS }, ask, signal);
  }

  private guarded<T>(
    policy: Pick<GuardPolicy, 'retry'> & { readonly timeoutMs: number },
    work: (signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    return guardedCall(this.options.resilience, { ...policy, breaker: BREAKER, idempotent: true }, work, signal);
  }

  private async ask(client: OutgoingClient, texts: readonly string[], signal: AbortSignal): Promise<Embedded['vectors']> {
    const { provider, model } = this.place;
    const end = await callJson(client, {
      method: 'POST',
      url: addressOf(provider, 'embeddings'),
      headers: headersOf(provider, false),
      body: embeddingBody(model, texts),
      signal,
    });
    const read = end.kind === 'answered' ? readEmbeddings(end.value, texts.length) : undefined;
    if (read) {
      this.tell('answered', read.usage);
      return read.vectors;
    }
    throw this.failure(end.kind === 'answered' ? { kind: 'unreadable' } : end);
  }

  private failure(failure: JsonFailure): Error {
    const isEnded = failure.kind === 'failed' && failure.fault === 'ended';
    if (failure.kind === 'failed' && !isEnded) this.reached = failure.sent && failure.fault !== 'timeout';
    this.tell(isEnded ? 'ended' : failure.kind, null);
    return jsonFailure(WHO, failure);
  }

  private tell(outcome: ChatOutcome, usage: WireUsage | null): void {
    if (outcome !== 'failed' && outcome !== 'ended') this.reached = true;
    const { name, model, provider: settings } = this.place;
    this.options.onCall(outcome, usageOf({ name, model, settings }, usage));
  }
}
