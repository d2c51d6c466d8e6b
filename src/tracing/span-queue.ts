import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordedSpan } from './spans.js';

/** What becomes of spans that are not exported: no room, nobody took them in time, or they were refused. */
export const DROP_REASONS = ['queue_full', 'unreachable', 'refused'] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** Told what becomes of spans. */
export interface SpanFate {
  exported(count: number): void;
  dropped(count: number, reason: DropReason): void;
  /** Told once, when a batch is not taken; `undefined` once, when one is taken again. */
  troubled(reason: string | undefined): void;
}

/** What came of an attempt to hand a batch on; `unreachable` is tried again, after `afterMs` at the earliest. */
export type Delivery =
  | { readonly kind: 'taken'; readonly refused: number }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string; readonly afterMs?: number };

/** Hands a batch on. Never rejects. */
export type Deliver = (spans: readonly RecordedSpan[], signal: AbortSignal) => Promise<Delivery>;

const MOST_WAITING = 8_192;
const BATCH = 1_024;
const LONGEST_WAIT_MS = 1_000;
/** Batches on their way at one time, while they are taken. */
const MOST_UNDER_WAY = 3;
const ATTEMPTS = 5;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** What is left at the stop gets so long. */
const STOP_MS = 3_000;

/** Spans that have ended and are not handed on yet: bounded, in batches, in the background. What has no room is dropped and counted. */
export class SpanQueue {
  private readonly waiting: RecordedSpan[] = [];
  private readonly underWay = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private readonly over = new AbortController();
  private timer: NodeJS.Timeout | undefined;
  private scheduled = false;
  private isTroubled = false;

  constructor(
    private readonly deliver: Deliver,
    private readonly fate: SpanFate,
  ) {}

  add(span: RecordedSpan): void {
    if (this.stopping.signal.aborted || this.waiting.length >= MOST_WAITING) return this.fate.dropped(1, 'queue_full');
    this.waiting.push(span);
    if (this.waiting.length >= BATCH) this.schedule();
    else this.sendLater();
  }

  /** Resolves within {@link STOP_MS}. May be called twice. */
  async stop(): Promise<void> {
    this.stopping.abort();
    const deadline = setTimeout(() => this.over.abort(), STOP_MS);
    while (this.waiting.length > 0 || this.underWay.size > 0) {
      this.send(1);
      await Promise.race(this.underWay);
    }
    clearTimeout(deadline);
    clearTimeout(this.timer);
  }

  private sendLater(): void {
    this.timer ??= setTimeout(() => this.send(1), LONGEST_WAIT_MS).unref();
  }

  /** Not within the request whose span was the last of a batch. */
  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.send(BATCH);
    });
  }

  /** @param fewest spans that are worth a batch */
  private send(fewest: number): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    while (this.waiting.length >= fewest && this.underWay.size < (this.isTroubled ? 1 : MOST_UNDER_WAY)) {
      const delivery = this.handOn(this.waiting.splice(0, BATCH)).finally(() => {
        this.underWay.delete(delivery);
        this.send(BATCH);
      });
      this.underWay.add(delivery);
    }
    if (this.waiting.length > 0) this.sendLater();
  }

  /** Never rejects. */
  private async handOn(batch: readonly RecordedSpan[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const delivery = await this.deliver(batch, this.over.signal);
      if (delivery.kind === 'taken') return this.note(batch.length, delivery.refused);
      this.tell(delivery.reason);
      if (delivery.kind === 'refused') return this.fate.dropped(batch.length, 'refused');
      if (attempt === ATTEMPTS || this.stopping.signal.aborted) return this.fate.dropped(batch.length, 'unreachable');
      await this.pause(Math.min(Math.max(FIRST_PAUSE_MS * 2 ** (attempt - 1), delivery.afterMs ?? 0), LONGEST_PAUSE_MS));
    }
  }

  private note(count: number, refused: number): void {
    this.tell(undefined);
    this.fate.exported(count - refused);
    if (refused > 0) this.fate.dropped(refused, 'refused');
  }

  private tell(reason: string | undefined): void {
    if (this.isTroubled === (reason !== undefined)) return;
    this.isTroubled = reason !== undefined;
    this.fate.troubled(reason);
  }

  /** Ends early when everything is to stop: then there is one more attempt. */
  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.stopping.signal, ref: false }).catch(() => undefined);
  }
}
