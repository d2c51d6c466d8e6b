import { constants } from 'node:os';
import type { Child, ChildEvents, ChildStream } from './node-spawn.js';
import type { Found } from './readiness.js';

/** What one read takes at most. */
export const READ_BYTES = 65_536;

/** What a child needs of whoever started it. Descriptors are plain numbers. */
export interface ChildSystem {
  /** Does nothing when it is watched already. @param onReady called whenever there is something to read, or the end */
  watch(descriptor: number, onReady: (found: Found) => void): void;
  unwatch(descriptor: number): void;
  close(descriptor: number): void;
  /** What can be read now, {@link READ_BYTES} at most, valid until the next call; null at the end. Only for what is ready: else it waits. */
  read(descriptor: number): Buffer | null;
  /** Bytes written, none while there is no room; null when nobody reads any more. */
  write(descriptor: number, data: Uint8Array): number | null;
  /** Like {@link watch}, for room to write. */
  watchForRoom(descriptor: number, onRoom: () => void): void;
  /** A byte, for whoever waits at the other end. */
  signal(descriptor: number): void;
  /** Raw status of wait(2); undefined while the process lives. */
  reap(pid: number): number | undefined;
  /** Descriptor that becomes ready when the process has ended; negative where the system has none to give. */
  openProcess(pid: number): number;
  /** The child has ended. */
  forget(child: SpawnedChild): void;
}

/** The child, and our ends of its pipes; `gate` and `input` where it has them. */
export interface ChildPipes {
  readonly pid: number;
  readonly outputs: readonly [number, ChildStream][];
  readonly gate: number | null;
  readonly input: number | null;
}

/** A child whose pipes are looked after here, until they and it are at their end. */
export class SpawnedChild implements Child {
  readonly pid: number;
  private readonly open: Map<number, ChildStream>;
  private gate: number | null;
  private input: number | null;
  private status: number | undefined;
  private paused = false;

  constructor(
    private readonly system: ChildSystem,
    { pid, outputs, gate, input }: ChildPipes,
    private readonly events: ChildEvents,
  ) {
    this.pid = pid;
    this.open = new Map(outputs);
    this.gate = gate;
    this.input = input;
  }

  /** Pipes that are not at their end. */
  get descriptors(): Iterable<number> {
    return this.open.keys();
  }

  /** Takes what was found at one of its pipes without watching it, as long as nobody has asked for a pause. */
  take(descriptor: number, found: Found): void {
    const stream = this.open.get(descriptor);
    if (stream !== undefined && !this.paused) this.onReady(descriptor, stream, found);
  }

  /** Has its pipes watched, as long as nobody has asked for a pause. */
  watch(): void {
    if (this.paused) return;
    for (const [descriptor, stream] of this.open) this.system.watch(descriptor, (found) => this.onReady(descriptor, stream, found));
  }

  pause(): void {
    this.paused = true;
    for (const descriptor of this.open.keys()) this.system.unwatch(descriptor);
  }

  resume(): void {
    this.paused = false;
    this.watch();
  }

  abandonPipes(): void {
    for (const descriptor of this.open.keys()) this.system.close(descriptor);
    this.open.clear();
    this.endIfOver();
  }

  openGate(): void {
    if (this.gate === null) return;
    this.system.signal(this.gate);
    this.system.close(this.gate);
    this.gate = null;
  }

  feed(data: Uint8Array | null, taken: () => void): void {
    if (this.input === null) return taken();
    const written = data && this.system.write(this.input, data);
    if (written === null) this.closeInput();
    if (!data || written === null || written === data.length) return taken();
    const { input } = this;
    this.system.watchForRoom(input, () => {
      this.system.unwatch(input);
      this.feed(data.subarray(written), taken);
    });
  }

  /** Whether it has ended by now. */
  lookForEnd(): void {
    if (this.status !== undefined) return;
    this.status = this.system.reap(this.pid);
    if (this.status === undefined) return;
    this.system.forget(this);
    if (this.gate !== null) this.system.close(this.gate);
    this.gate = null;
    this.closeInput();
    if (this.open.size > 0) this.events.onExit();
    this.endIfOver();
  }

  private closeInput(): void {
    if (this.input !== null) this.system.close(this.input);
    this.input = null;
  }

  private onReady(descriptor: number, stream: ChildStream, found: Found): void {
    const data = found.data ? this.system.read(descriptor) : null;
    if (data) this.events.onOutput(stream, data);
    if (data && !(found.over && data.length < READ_BYTES)) return;
    this.system.close(descriptor);
    this.open.delete(descriptor);
    if (this.open.size > 0) return;
    if (this.status !== undefined) return this.endIfOver();
    // A program that ends closes its pipes a moment before it can be reaped. To be told of that takes four calls; to look again, one.
    this.lookForEnd();
    if (this.status === undefined) setImmediate(() => this.awaitEnd());
  }

  private awaitEnd(): void {
    this.lookForEnd();
    if (this.status !== undefined) return;
    const handle = this.system.openProcess(this.pid);
    if (handle < 0) return;
    this.system.watch(handle, () => {
      this.system.close(handle);
      this.lookForEnd();
    });
  }

  private endIfOver(): void {
    if (this.status === undefined || this.open.size > 0) return;
    const signal = this.status & 0x7f;
    this.events.onEnd(signal === 0 ? (this.status >> 8) & 0xff : null, signal === 0 ? null : signalName(signal));
  }
}

function signalName(number: number): NodeJS.Signals {
  const [name] = Object.entries(constants.signals).find(([, value]) => value === number) ?? ['SIGKILL'];
  return name as NodeJS.Signals;
}
