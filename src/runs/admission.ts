import { GatewayError } from '../domain/errors.js';
import type { CommandName } from '../domain/command.js';
import type { Principal } from '../domain/principal.js';

/** A place at the door: either a slot at once or a place in the queue. */
export interface Ticket {
  /** True when no waiting is needed. */
  readonly immediate: boolean;
  /** Resolves to true with the slot, or to false when `signal` aborted the wait. */
  readonly granted: Promise<boolean>;
  /** Gives slot or place back. Safe to call more than once. */
  release(): void;
}

/** What a caller wants a slot for. */
export interface Wish {
  readonly command: CommandName;
  /** The command's own limit; null: only the total counts. */
  readonly concurrent: number | null;
  readonly principal: Pick<Principal, 'id' | 'role'>;
}

interface Limits {
  readonly total: number;
  readonly queue: number;
}

interface Waiting extends Wish {
  /** On the monotonic clock. */
  readonly since: number;
  grant(): void;
}

/** One place in so many is kept from a single key, whatever it asks for: the next caller of another key need not wait for it to end. */
const KEPT_FROM_ONE_KEY = 8;
/** And one in so many of those kept is for admins alone, who end what floods. */
const KEPT_FOR_ADMINS = 8;

/**
 * Who may run now and who waits. Atomic: with a limit of 10 and 200 callers exactly 10 hold a slot at any time, the others wait, and
 * a caller beyond the queue is refused. A command at its own limit holds up nobody else, and neither does a key that asks without end:
 * a slot that becomes free goes to an admin, else to the key that holds the fewest, else to who came first; and of 8 slots or queue
 * places and more a key never holds all.
 */
export class Admission {
  private readonly holders = new Tally();
  private readonly holdersByKey = new Tally();
  private readonly waiting: Waiting[] = [];
  private readonly waitingByKey = new Tally();
  private held = 0;

  /** @param limits asked for at each claim */
  constructor(readonly limits: Limits) {}

  get active(): number {
    return this.held;
  }

  get queued(): number {
    return this.waiting.length;
  }

  /** How many slots and queue places a key holds. */
  sharesOf(principalId: string): { readonly active: number; readonly queued: number } {
    return { active: this.holdersByKey.of(principalId), queued: this.waitingByKey.of(principalId) };
  }

  /** Of all who wait: 0 when nobody does. */
  get longestWaitMs(): number {
    const [first] = this.waiting;
    return first ? performance.now() - first.since : 0;
  }

  /**
   * Claims a slot or a place in the queue, at once.
   * @throws GatewayError `busy` when the queue is full
   */
  claim(wish: Wish, signal: AbortSignal): Ticket {
    // Whoever waits could not use the slot: it would have been given to them.
    if (this.isFree(wish)) {
      this.take(wish);
      return { immediate: true, granted: GRANTED, release: once(() => this.free(wish)) };
    }
    if (!hasRoom(this.limits.queue, this.waiting.length, this.waitingByKey.of(wish.principal.id), wish)) {
      throw new GatewayError('busy', 'All slots are taken and the queue is full.', { retryAfterSeconds: 1 });
    }
    return this.enqueue(wish, signal);
  }

  private enqueue(wish: Wish, signal: AbortSignal): Ticket {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const entry: Waiting = {
      ...wish,
      since: performance.now(),
      grant: () => {
        signal.removeEventListener('abort', leave);
        this.take(wish);
        release = once(() => this.free(wish));
        resolve(true);
      },
    };
    const leave = once(() => {
      this.unqueue(entry);
      resolve(false);
    });
    let release = () => {
      signal.removeEventListener('abort', leave);
      leave();
    };
    this.waiting.push(entry);
    this.waitingByKey.add(wish.principal.id, 1);
    signal.addEventListener('abort', leave, { once: true });
    return { immediate: false, granted: promise, release: () => release() };
  }

  private unqueue(entry: Waiting): void {
    const place = this.waiting.indexOf(entry);
    if (place < 0) return;
    this.waiting.splice(place, 1);
    this.waitingByKey.add(entry.principal.id, -1);
  }

  /** Whether a claim would be granted at once. */
  isFree(wish: Wish): boolean {
    const isBelowOwn = wish.concurrent === null || this.holders.of(wish.command) < wish.concurrent;
    return isBelowOwn && hasRoom(this.limits.total, this.held, this.holdersByKey.of(wish.principal.id), wish);
  }

  private take(wish: Wish): void {
    this.count(wish, 1);
  }

  private free(wish: Wish): void {
    this.count(wish, -1);
    this.grantFree();
  }

  /** Whoever waits and may go now, goes: more than one where what was short was short to several. Also for limits that have grown. */
  grantFree(): void {
    for (let next = this.next(); next; next = this.next()) {
      this.unqueue(next);
      next.grant();
    }
  }

  private count({ command, principal }: Wish, difference: 1 | -1): void {
    this.held += difference;
    this.holders.add(command, difference);
    this.holdersByKey.add(principal.id, difference);
  }

  /** Who is first of those who wait and could go; undefined when nobody could. */
  private next(): Waiting | undefined {
    let [best, bestRank] = [undefined as Waiting | undefined, Infinity];
    for (const entry of this.waiting) {
      const rank = entry.principal.role === 'admin' ? -1 : this.holdersByKey.of(entry.principal.id);
      if (rank < bestRank && this.isFree(entry)) [best, bestRank] = [entry, rank];
    }
    return best;
  }
}

/** Whether one more may hold a place of so many, where so many are taken, and so many by its own key. */
function hasRoom(places: number, taken: number, own: number, { principal }: Wish): boolean {
  const kept = Math.floor(places / KEPT_FROM_ONE_KEY);
  const forAdmins = principal.role === 'admin' ? 0 : Math.ceil(kept / KEPT_FOR_ADMINS);
  return taken < places - forAdmins && own < places - kept;
}

/** How many there are of each name. Forgets names of which there are none. */
class Tally {
  private readonly counts = new Map<string, number>();

  of(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  add(name: string, difference: number): void {
    const count = this.of(name) + difference;
    if (count > 0) this.counts.set(name, count);
    else this.counts.delete(name);
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
