import { createHmac } from 'node:crypto';
import type { ChromaPlace } from '../config/chroma-place.js';
import { FAILURE_KINDS } from '../domain/failure.js';
import { callJson, type JsonEnd, jsonFailure } from '../outgoing/json-call.js';
import type { OutgoingClient } from '../outgoing/outgoing-client.js';
import { clientFor } from '../outgoing/service-client.js';
import { guardedCall } from '../resilience/guarded-call.js';
import type { Resilience } from '../resilience/resilience.js';
import { type ChromaCall, ChromaCollection, type ChromaReply } from './chroma-collection.js';

/** Somebody waits for the answer to a question, and gets one without it too. */
const QUICK_MS = 2_000;
const PATIENT_MS = 20_000;
const LOOK_MS = 800;
/** The client's own limit, which says what took so long, comes first. */
const GRACE_MS = 500;
const LIMITS = { connectMs: 5_000, headersMs: 0, idleMs: 0, responseBytes: 4 * 1024 ** 2, redirects: 0 };

const ON = FAILURE_KINDS.filter((kind) => kind !== 'exit_code');
const BREAKER = { name: 'knowledge.chroma', failures: 5, recoveryMs: 30_000, probes: 1, concurrent: null, on: ON };
/** What was begun is carried on when the next answer asks for it, so little is tried again here. */
const RETRY = { attempts: 2, delayMs: 200, maxDelayMs: 200, budgetMs: 2_000, attemptTimeoutMs: null, on: ON };

/** What it says of a tenant, a database or a collection that it does not have, and of a vector of another length. */
const MISSING = new Set([400, 404]);
const WHO = 'Chroma';
const NAME_DIGITS = 24;

export interface ChromaOptions {
  /** Where the server may be although it is not public. */
  readonly privateRanges: readonly string[];
  readonly resilience: Resilience;
  /** A secret of this gateway: what its collections are called follows from it, so that no two gateways share one. */
  readonly owner: () => Buffer;
}

/** A Chroma server, by its REST API v2. */
export class ChromaServer {
  private readonly clients: { readonly quick: OutgoingClient; readonly patient: OutgoingClient } | undefined;

  /** @param place undefined: there is none, and nobody may ask for collections */
  constructor(
    private readonly place: ChromaPlace | undefined,
    private readonly options: ChromaOptions,
  ) {
    if (!place) return;
    const client = (totalMs: number) => clientFor(place.url, options.privateRanges, { ...LIMITS, totalMs });
    this.clients = { quick: client(QUICK_MS), patient: client(PATIENT_MS) };
    options.resilience.breakers.register(BREAKER);
  }

  /** The collection of a set of documents. Nothing is asked yet. */
  collectionOf(base: string): ChromaCollection {
    const name = createHmac('sha256', this.options.owner()).update(base).digest('hex').slice(0, NAME_DIGITS);
    return new ChromaCollection((call) => this.call(call), `${this.place?.collection}-${name}`);
  }

  get isConfigured(): boolean {
    return this.place !== undefined;
  }

  /** Asks for a sign of life; takes a second at most. Resolves to what is wrong; undefined when it is well. */
  async look(): Promise<string | undefined> {
    const signal = AbortSignal.timeout(LOOK_MS);
    const end = await this.exchange(this.clients?.quick, { method: 'GET', path: 'heartbeat', signal });
    if (end.kind === 'answered') return undefined;
    return signal.aborted ? 'Chroma does not answer.' : jsonFailure(WHO, end).message;
  }

  private async call({ path, isQuick, signal, ...call }: ChromaCall): Promise<ChromaReply> {
    const { tenant = '', database = '' } = this.place ?? {};
    const whole = `tenants/${encodeURIComponent(tenant)}/databases/${encodeURIComponent(database)}/${path}`;
    const client = isQuick ? this.clients?.quick : this.clients?.patient;
    const work = async (own: AbortSignal): Promise<ChromaReply> => {
      const end = await this.exchange(client, { ...call, path: whole, signal: own });
      if (end.kind === 'answered') return end;
      if (end.kind === 'refused' && MISSING.has(end.status)) return { kind: 'missing' };
      throw jsonFailure(WHO, end);
    };
    const policy = { retry: isQuick ? null : RETRY, breaker: BREAKER, idempotent: true, timeoutMs: PATIENT_MS + GRACE_MS };
    return guardedCall(this.options.resilience, policy, work, signal);
  }

  private async exchange(client: OutgoingClient | undefined, { path, ...call }: Exchange): Promise<JsonEnd> {
    if (!client || !this.place) throw new Error('a Chroma server that is not configured was asked');
    const { url, token } = this.place;
    const headers: Record<string, string> = token === undefined ? {} : { 'x-chroma-token': token, authorization: `Bearer ${token}` };
    return callJson(client, { ...call, headers, url: `${url.replace(/\/+$/, '')}/api/v2/${path}` });
  }
}

interface Exchange {
  readonly method: string;
  /** Below the version of the API. */
  readonly path: string;
  readonly body?: unknown;
  readonly signal: AbortSignal;
}
