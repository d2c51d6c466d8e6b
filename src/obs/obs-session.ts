import type { OBSWebSocket } from 'obs-websocket-js/json';
import { faultOf, type ObsFault } from './obs-fault.js';
import type { ObsRequestName } from './obs-requests.js';

/** Where OBS listens. */
export interface ObsPlace {
  readonly url: string;
  readonly password: string | undefined;
}

/** What became of a request. */
export type ObsReply =
  | { readonly kind: 'answered'; readonly data: unknown }
  /** `code`: `RequestStatus` of the protocol. */
  | { readonly kind: 'refused'; readonly code: number; readonly comment: string }
  /** No answer; the request may have been carried out. */
  | { readonly kind: 'failed'; readonly reason: string };

const CONNECT_MS = 3_000;
/** Time that OBS gets to close a connection with us. */
const CLOSE_MS = 500;

const LOST: ObsReply = { kind: 'failed', reason: 'The connection to OBS was lost. What was asked may have been done.' };
const ABANDONED: ObsReply = { kind: 'failed', reason: 'Nobody waits for OBS any more.' };
const MALFORMED: ObsReply = { kind: 'failed', reason: 'OBS answered with something that is not obs-websocket 5.' };

/** A line that can be cut; the library only closes it politely, which takes two. */
type Line = OBSWebSocket & { cut(): void };

/** One connection to OBS, identified. */
export class ObsSession {
  readonly kind = 'session';
  private readonly waiting = new Set<(reply: ObsReply) => void>();
  private isOpen = true;
  private isSuspect = false;

  private constructor(
    private readonly line: Line,
    private readonly onEnd: (session: ObsSession) => void,
  ) {
    line.once('ConnectionClosed', () => this.end());
  }

  /** One try. Never rejects. */
  static async open(place: ObsPlace, signal: AbortSignal, onEnd: (session: ObsSession) => void): Promise<ObsSession | ObsFault> {
    const line = await newLine();
    let opened = false;
    let late = false;
    line.once('ConnectionOpened', () => (opened = true));
    const cut = () => line.cut();
    const timer = setTimeout(() => {
      late = true;
      cut();
    }, CONNECT_MS);
    signal.addEventListener('abort', cut, { once: true });
    try {
      // No events are wanted.
      const connecting = line.connect(place.url, place.password, { eventSubscriptions: 0 });
      if (signal.aborted) cut();
      await connecting;
      return new ObsSession(line, onEnd);
    } catch (error) {
      return faultOf({ error, opened, gaveUpAfterMs: late ? CONNECT_MS : undefined });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', cut);
    }
  }

  /** Whether new requests may use it. After one that OBS did not answer it may be dead without knowing. */
  get isUsable(): boolean {
    return this.isOpen && !this.isSuspect;
  }

  /** Never rejects. When `signal` is aborted the answer is not waited for; OBS cannot be told. */
  async call(request: ObsRequestName, data: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<ObsReply> {
    if (!this.isOpen) return LOST;
    const { promise, resolve } = Promise.withResolvers<ObsReply>();
    const abandon = () => {
      this.isSuspect = true;
      resolve(ABANDONED);
    };
    this.waiting.add(resolve);
    signal.addEventListener('abort', abandon, { once: true });
    void this.ask(request, data).then(resolve);
    try {
      return await promise;
    } finally {
      this.waiting.delete(resolve);
      signal.removeEventListener('abort', abandon);
      if (this.isSuspect && this.waiting.size === 0) this.line.cut();
    }
  }

  async close(): Promise<void> {
    const impatience = setTimeout(() => this.line.cut(), CLOSE_MS);
    await this.line.disconnect();
    clearTimeout(impatience);
  }

  private async ask(request: ObsRequestName, data: Readonly<Record<string, unknown>>): Promise<ObsReply> {
    try {
      return { kind: 'answered', data: (await this.line.call(request, data)) ?? {} };
    } catch (error) {
      const { code, message } = error as { readonly code?: unknown; readonly message: string };
      return typeof code === 'number' ? { kind: 'refused', code, comment: message } : MALFORMED;
    }
  }

  private end(): void {
    this.isOpen = false;
    for (const resolve of this.waiting) resolve(LOST);
    this.onEnd(this);
  }
}

/** The library is loaded with the first connection: most gateways have no OBS. */
async function newLine(): Promise<Line> {
  const { default: Socket } = await import('obs-websocket-js/json');
  class CuttableLine extends Socket {
    cut(): void {
      // In Node it is one of `ws`, whatever the types of the library say.
      (this.socket as { terminate?(): void } | undefined)?.terminate?.();
    }
  }
  return new CuttableLine();
}
