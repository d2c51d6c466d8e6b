import { GatewayError } from '../domain/errors.js';
import type { CommandName } from '../domain/command.js';

/** A place at the door: either a slot at once or a place in the queue. */
export interface Ticket {
  /** True when no waiting is needed. */
  readonly immediate: boolean;
  /** Resolves to true with the slot, or to false when `signal` aborted the wait. */
  readonly granted: Promise<boolean>;
  /** Gives slot or place back. Safe to call more than once. */
  release(): void;
}

interface Limits {
  readonly total: number;
  readonly queue: number;
}

interface Waiting {
  readonly command: CommandName;
  readonly limit: number;
  /** On the monotonic clock. */
  readonly since: number;
  grant(): void;
}

/**
 * Who may run now and who waits. Atomic: with a limit of 10 and 200 callers exactly 10 hold a slot at any time, the others
 * wait in the order they came, and a caller beyond the queue is refused. A command at its own limit holds up nobody else.
 */
export class Admission {
  private readonly holders = new Map<CommandName, number>();
  private readonly waiting: Waiting[] = [];
  private held = 0;

  constructor(readonly limits: Limits) {}

  get active(): number {
    return this.held;
  }

  get queued(): number {
    return this.waiting.length;
  }

  /** Of all who wait: 0 when nobody does. */
  get longestWaitMs(): number {
    const [first] = this.waiting;
    return first ? performance.now() - first.since : 0;
  }

  /**
   * Claims a slot or a place in the queue, at once.
   * @param concurrent the command's own limit; null: only the total counts
   * @throws GatewayError `busy` when the queue is full
   */
  claim(command: CommandName, concurrent: number | null, signal: AbortSignal): Ticket {
    const limit = concurrent ?? Infinity;
    if (this.isFree(command, limit) && !this.isContended(command)) {
      this.take(command);
      return { immediate: true, granted: GRANTED, release: once(() => this.free(command)) };
    }
    if (this.waiting.length >= this.limits.queue) {
      throw new GatewayError('busy', 'All slots are taken and the queue is full.', { retryAfterSeconds: 1 });
    }
    return this.enqueue(command, limit, signal);
  }

  private enqueue(command: CommandName, limit: number, signal: AbortSignal): Ticket {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const entry: Waiting = {
      command,
      limit,
      since: performance.now(),
      grant: () => {
        signal.removeEventListener('abort', leave);
        this.take(command);
        release = once(() => this.free(command));
        resolve(true);
      },
    };
    const leave = once(() => {
      const place = this.waiting.indexOf(entry);
      if (place >= 0) this.waiting.splice(place, 1);
      resolve(false);
    });
    let release = () => {
      signal.removeEventListener('abort', leave);
      leave();
    };
    this.waiting.push(entry);
    signal.addEventListener('abort', leave, { once: true });
    return { immediate: false, granted: promise, release: () => release() };
  }

  private isFree(command: CommandName, limit: number): boolean {
    return this.held < this.limits.total && (this.holders.get(command) ?? 0) < limit;
  }

  /** Whether somebody waits who would be overtaken: everybody when the total is what is short, else the command's own queue. */
  private isContended(command: CommandName): boolean {
    return this.waiting.some((entry) => entry.command === command || this.isFree(entry.command, entry.limit));
  }

  private take(command: CommandName): void {
    this.held++;
    this.holders.set(command, (this.holders.get(command) ?? 0) + 1);
  }

  private free(command: CommandName): void {
    this.held--;
    const left = (this.holders.get(command) ?? 1) - 1;
    if (left === 0) this.holders.delete(command);
    else this.holders.set(command, left);
    const next = this.waiting.findIndex((entry) => this.isFree(entry.command, entry.limit));
    if (next >= 0) this.waiting.splice(next, 1)[0]?.grant();
  }
}

const GRANTED = Promise.resolve(true);

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
