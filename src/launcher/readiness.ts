import koffi from 'koffi';
import { PassingMap } from '../domain/passing-map.js';
import type { Libc } from './libc.js';

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
/** The same bits in poll(2) and epoll(7). */
const POLLIN = 1;
const POLLOUT = 4;
const POLLHUP = 16;
/** Where poll(2) puts what it found: the upper half of the second word of `struct pollfd`. */
const FOUND_SHIFT = 16;
const EVENTS = 128;
/** `struct epoll_event` is packed on x86-64 alone. */
const [EVENT_BYTES, EVENT_DATA] = process.arch === 'x64' ? [12, 4] : [16, 8];

/** What there is at our end of a pipe: something to read, or nobody who could write any more, or both. */
export interface Found {
  readonly data: boolean;
  readonly over: boolean;
}

const NOTHING: Found = { data: false, over: false };
const DATA: Found = { data: true, over: false };
const OVER: Found = { data: false, over: true };
const LAST_DATA: Found = { data: true, over: true };

/**
 * Tells when there is something at a descriptor: one epoll set that Node's loop polls. A descriptor must be taken out before it is closed
 * (see `PosixSpawner`).
 */
export class Readiness {
  private readonly set: number;
  private readonly event = Buffer.alloc(EVENT_BYTES);
  private readonly events = Buffer.alloc(EVENTS * EVENT_BYTES);
  private readonly watched = new PassingMap<number, (found: Found) => void>();
  /** Held, because with its handle the polling would be collected too. */
  readonly polling: ReturnType<typeof koffi.node.poll>;

  /** @throws Error where the kernel has no such sets */
  constructor(private readonly libc: Libc) {
    this.set = libc.epoll_create1(EPOLL_CLOEXEC);
    if (this.set < 0) throw new Error('This system has no epoll.');
    this.polling = koffi.node.poll(this.set, () => this.dispatch());
  }

  /** Does nothing when it is watched already. @param onReady called whenever there is something to read, or the end */
  watch(descriptor: number, onReady: (found: Found) => void): void {
    if (!this.watched.has(descriptor)) this.add(POLLIN, descriptor, onReady);
  }

  /** Like {@link watch}, for room to write. */
  watchForRoom(descriptor: number, onRoom: () => void): void {
    this.add(POLLOUT, descriptor, onRoom);
  }

  unwatch(descriptor: number): void {
    if (this.watched.delete(descriptor)) this.libc.epoll_ctl(this.set, EPOLL_CTL_DEL, descriptor, this.event);
  }

  /** Looks at pipes to read from, once and without waiting, and tells what was found; nothing of those at which nothing was. */
  lookAt<Pipe extends { readonly descriptor: number }>(pipes: readonly Pipe[], tell: (pipe: Pipe, found: Found) => void): void {
    const polled = new Int32Array(pipes.length * 2);
    for (const [index, { descriptor }] of pipes.entries()) polled.set([descriptor, POLLIN], index * 2);
    if (this.libc.poll(polled, pipes.length, 0) <= 0) return;
    for (const [index, pipe] of pipes.entries()) {
      const bits = polled[index * 2 + 1]! >>> FOUND_SHIFT;
      if (bits !== 0) tell(pipe, foundIn(bits));
    }
  }

  private add(what: number, descriptor: number, onReady: (found: Found) => void): void {
    this.event.writeUInt32LE(what, 0);
    this.event.writeInt32LE(descriptor, EVENT_DATA);
    this.watched.set(descriptor, onReady);
    this.libc.epoll_ctl(this.set, EPOLL_CTL_ADD, descriptor, this.event);
  }

  private dispatch(): void {
    const count = this.libc.epoll_wait(this.set, this.events, EVENTS, 0);
    const found: [number, Found][] = [];
    for (let at = 0; at < count * EVENT_BYTES; at += EVENT_BYTES)
      found.push([this.events.readInt32LE(at + EVENT_DATA), foundIn(this.events.readUInt32LE(at))]);
    for (const [descriptor, what] of found) this.watched.get(descriptor)?.(what);
  }
}

/** @param bits of poll(2) or epoll(7) */
function foundIn(bits: number): Found {
  if ((bits & POLLHUP) === 0) return bits & POLLIN ? DATA : NOTHING;
  return bits & POLLIN ? LAST_DATA : OVER;
}
