import { ExponentialBackoff, handleWhenResult, retry } from 'cockatiel';
import type { ObsFault } from './obs-fault.js';
import type { ObsRequestName } from './obs-requests.js';
import { type ObsPlace, type ObsReply, ObsSession } from './obs-session.js';

/** Tries of one opening, with growing pauses between them: in all about a second, so that a run sees a restart of OBS through. */
const TRIES = 4;
const BACKOFF = { initialDelay: 100, maxDelay: 1_000 };
const LOOK_MS = 800;

const CLOSED: ObsFault = { kind: 'fault', reason: 'The gateway is shutting down.', mayPass: false };

/** What to set, for whoever asks for OBS where there is none. */
export const OBS_NOT_CONFIGURED = 'OBS is not configured: an operator has to set OBS_URL (ws://127.0.0.1:4455) and OBS_PASSWORD.';

/** The one connection to OBS: opened by the first request, kept, opened anew by the first request after it was lost. */
export class ObsClient {
  private readonly stopping = new AbortController();
  private readonly sessions = new Set<ObsSession>();
  private current: ObsSession | undefined;
  private opening: Promise<ObsSession | ObsFault> | undefined;
  private lastFault: ObsFault | undefined;

  /** @param place undefined: there is no OBS, and nobody may call */
  constructor(private readonly place: ObsPlace | undefined) {}

  get isConfigured(): boolean {
    return this.place !== undefined;
  }

  /** Never rejects. Requests do not wait for each other. */
  async call(request: ObsRequestName, data: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<ObsReply> {
    const session = await untilAborted(this.reach(), signal);
    if (session?.kind === 'session') return session.call(request, data, signal);
    return { kind: 'failed', reason: session?.reason ?? 'Nobody waits for OBS any more.' };
  }

  /** Asks OBS for a sign of life; takes less than a second. @returns why there is none, for whoever holds a key */
  async look(): Promise<string | undefined> {
    const reply = await this.call('GetVersion', {}, AbortSignal.timeout(LOOK_MS));
    return reply.kind === 'failed' ? (this.lastFault?.reason ?? 'OBS does not answer.') : undefined;
  }

  /** May be called at any time, and again. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.opening;
    await Promise.all([...this.sessions].map((session) => session.close()));
  }

  private async reach(): Promise<ObsSession | ObsFault> {
    if (this.current?.isUsable) return this.current;
    return (this.opening ??= this.open().finally(() => (this.opening = undefined)));
  }

  private async open(): Promise<ObsSession | ObsFault> {
    const { signal } = this.stopping;
    const policy = retry(
      handleWhenResult((result) => isPassing(result)),
      { maxAttempts: TRIES - 1, backoff: new ExponentialBackoff(BACKOFF) },
    );
    if (signal.aborted) return CLOSED;
    const opened = await policy.execute(() => this.tryOnce(), signal).catch(() => CLOSED);
    if (opened.kind === 'session') this.current = opened;
    return opened;
  }

  private async tryOnce(): Promise<ObsSession | ObsFault> {
    if (!this.place) return { kind: 'fault', reason: OBS_NOT_CONFIGURED, mayPass: false };
    const opened = await ObsSession.open(this.place, this.stopping.signal, (session) => this.sessions.delete(session));
    this.lastFault = opened.kind === 'fault' ? opened : undefined;
    if (opened.kind === 'session') this.sessions.add(opened);
    return opened;
  }
}

function isPassing(result: unknown): boolean {
  const opened = result as ObsSession | ObsFault;
  return opened.kind === 'fault' && opened.mayPass;
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const onAbort = () => resolve(undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
