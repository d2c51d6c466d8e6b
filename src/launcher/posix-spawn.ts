import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import koffi from 'koffi';
import { FILTER_FD, GATE_FD, STATUS_FD } from './bubblewrap.js';
import type { HostLaunch } from './host-protocol.js';
import type { Libc } from './libc.js';
import type { Child, ChildEvents, ChildStream } from './node-spawn.js';
import type { OwnProcess } from './own-process.js';

const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
const F_SETFL = 4;
const F_ADD_SEALS = 1033;
/** F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE */
const SEALS = 0x0f;
/** MFD_CLOEXEC | MFD_ALLOW_SEALING */
const MEMORY_FILE = 0x03;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
const PIDFD_OPEN = 434;
/** POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID; the same in glibc and musl. */
const SPAWN_FLAGS = 0x04 | 0x08 | 0x80;
/** More than any libc needs for its opaque structures (glibc: 80, 336 and 128 bytes). */
const OPAQUE_BYTES = 1_024;
const READ_BYTES = 65_536;
const EVENTS = 128;
/** How often a child is asked for its end where the system gives no descriptor for it (its table of files is full). */
const ASK_MS = 50;
/** `struct epoll_event` is packed on x86-64 alone. */
const [EVENT_BYTES, EVENT_DATA] = process.arch === 'x64' ? [12, 4] : [16, 8];

/**
 * Starts programs by posix_spawn(3), called through an FFI: the child shares the pages of this process until it has become the
 * program, so that nothing is copied, however large this process is. Pipes and ends of children are watched in one epoll set.
 */
export class PosixSpawner {
  private readonly libc: Libc;
  private readonly attributes = Buffer.alloc(OPAQUE_BYTES);
  private readonly epoll: number;
  private readonly ready = Buffer.alloc(EVENTS * EVENT_BYTES);
  private readonly chunk = Buffer.alloc(READ_BYTES);
  private readonly watched = new Map<number, () => void>();
  /** Held, because with its handle the polling would be collected too. */
  readonly polling: ReturnType<typeof koffi.node.poll>;

  /** @throws Error where the library, one of its functions or a system call is missing */
  constructor(private readonly self: OwnProcess) {
    this.libc = self.libc;
    const { libc, attributes } = this;
    const signals = Buffer.alloc(OPAQUE_BYTES);
    libc.posix_spawnattr_init(attributes);
    libc.posix_spawnattr_setsigmask(attributes, signals);
    libc.sigfillset(signals);
    libc.posix_spawnattr_setsigdefault(attributes, signals);
    const failure = libc.posix_spawnattr_setflags(attributes, SPAWN_FLAGS);
    this.epoll = libc.epoll_create1(O_CLOEXEC);
    const handle = this.openProcess(process.pid);
    if (failure !== 0 || this.epoll < 0 || handle < 0) throw new Error('This system lacks what is needed to start programs.');
    libc.close(handle);
    this.polling = koffi.node.poll(this.epoll, () => this.dispatch());
  }

  /** Like `spawnChild`. */
  spawn(request: HostLaunch, events: ChildEvents): Child | null {
    const open: number[] = [];
    const keep: number[] = [];
    try {
      const [stdout, stderr] = [this.pipe(open, 'readEnd'), this.pipe(open, 'readEnd')];
      const status = request.sandbox ? this.pipe(open, 'readEnd') : null;
      const gate = request.sandbox?.group ? this.pipe(open, 'writeEnd') : null;
      const stdin = request.stdin === null ? null : this.memoryFile(request.stdin, open);
      const pid = this.start(request, { stdin, stdout, stderr, status, gate });
      keep.push(stdout.readEnd, stderr.readEnd, ...(status ? [status.readEnd] : []), ...(gate ? [gate.writeEnd] : []));
      const outputs: [number, ChildStream][] = [
        [stdout.readEnd, 'stdout'],
        [stderr.readEnd, 'stderr'],
      ];
      if (status) outputs.push([status.readEnd, 'status']);
      return new SpawnedChild(this, { pid, outputs, gate: gate?.writeEnd ?? null }, events);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      events.onFailure(error.code);
      return null;
    } finally {
      for (const descriptor of open) if (!keep.includes(descriptor)) this.libc.close(descriptor);
    }
  }

  /** Does nothing when it is watched already. @param onReady called whenever there is something to read, or the end */
  watch(descriptor: number, onReady: () => void): void {
    if (this.watched.has(descriptor)) return;
    const event = Buffer.alloc(EVENT_BYTES);
    event.writeUInt32LE(EPOLLIN, 0);
    event.writeInt32LE(descriptor, EVENT_DATA);
    this.watched.set(descriptor, onReady);
    this.libc.epoll_ctl(this.epoll, EPOLL_CTL_ADD, descriptor, event);
  }

  /** Before it is closed: a child between its birth and its program may hold a copy, which would keep the registration alive. */
  unwatch(descriptor: number): void {
    if (this.watched.delete(descriptor)) this.libc.epoll_ctl(this.epoll, EPOLL_CTL_DEL, descriptor, this.ready);
  }

  close(descriptor: number): void {
    this.unwatch(descriptor);
    this.libc.close(descriptor);
  }

  /** What can be read now: undefined for nothing yet, null at the end. */
  read(descriptor: number): Buffer | null | undefined {
    const bytes = Number(this.libc.read(descriptor, this.chunk, READ_BYTES));
    if (bytes > 0) return Buffer.from(this.chunk.subarray(0, bytes));
    return bytes === 0 ? null : undefined;
  }

  /** A byte, for whoever waits at the other end. */
  signal(descriptor: number): void {
    this.libc.write(descriptor, ONE_BYTE, 1);
  }

  /** Descriptor that becomes readable when the process has ended; negative where the system has none left. */
  openProcess(pid: number): number {
    return Number(this.libc.syscall(PIDFD_OPEN, pid, 0));
  }

  /** Raw status of wait(2); undefined while the process lives. */
  reap(pid: number): number | undefined {
    return this.self.reap(pid);
  }

  private start({ file, argv, env, cwd, sandbox }: HostLaunch, ends: ChildEnds): number {
    const { libc } = this;
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    // What a C string cannot hold would be cut.
    if (file === '' || [file, cwd, ...argv, ...variables].some((text) => text.includes('\0')))
      throw new SystemError('ERR_INVALID_ARG_VALUE');
    const actions = Buffer.alloc(OPAQUE_BYTES);
    const pid = new Int32Array(1);
    libc.posix_spawn_file_actions_init(actions);
    if (ends.stdin === null) libc.posix_spawn_file_actions_addopen(actions, 0, sandbox?.nullDevice ?? '/dev/null', 0, 0);
    else libc.posix_spawn_file_actions_adddup2(actions, ends.stdin, 0);
    libc.posix_spawn_file_actions_adddup2(actions, ends.stdout.writeEnd, 1);
    libc.posix_spawn_file_actions_adddup2(actions, ends.stderr.writeEnd, 2);
    if (ends.status) libc.posix_spawn_file_actions_adddup2(actions, ends.status.writeEnd, STATUS_FD);
    if (ends.gate) libc.posix_spawn_file_actions_adddup2(actions, ends.gate.readEnd, GATE_FD);
    // Opened anew for each child: bubblewrap reads it from where it stands to its end.
    if (sandbox?.filter) libc.posix_spawn_file_actions_addopen(actions, FILTER_FD, sandbox.filter, 0, 0);
    libc.posix_spawn_file_actions_addchdir_np(actions, cwd);
    const failure = libc.posix_spawn(pid, file, actions, this.attributes, [...argv, null], [...variables, null]);
    libc.posix_spawn_file_actions_destroy(actions);
    if (failure !== 0) throw new SystemError(getSystemErrorName(-failure));
    return pid[0]!;
  }

  /** Adds its ends to `open`. Ours does not block; the other does, as programs expect. */
  private pipe(open: number[], ours: keyof Pipe): Pipe {
    const ends = new Int32Array(2);
    if (this.libc.pipe2(ends, O_CLOEXEC) !== 0) throw new SystemError(getSystemErrorName(-koffi.errno()));
    const [readEnd, writeEnd] = ends as unknown as [number, number];
    const pipe = { readEnd, writeEnd };
    open.push(readEnd, writeEnd);
    this.libc.fcntl(pipe[ours], F_SETFL, O_NONBLOCK);
    return pipe;
  }

  /** A file that is nowhere but in memory, for a program to read its stdin from: nobody has to feed it, and nobody can change it. */
  private memoryFile(text: string, open: number[]): number {
    const descriptor = this.libc.memfd_create('stdin', MEMORY_FILE);
    if (descriptor < 0) throw new SystemError(getSystemErrorName(-koffi.errno()));
    open.push(descriptor);
    for (let rest = Buffer.from(text); rest.length > 0;) {
      const written = Number(this.libc.write(descriptor, rest, rest.length));
      if (written <= 0) throw new SystemError(getSystemErrorName(-koffi.errno()));
      rest = rest.subarray(written);
    }
    this.libc.lseek(descriptor, 0, 0);
    this.libc.fcntl(descriptor, F_ADD_SEALS, SEALS);
    return descriptor;
  }

  private dispatch(): void {
    const count = this.libc.epoll_wait(this.epoll, this.ready, EVENTS, 0);
    const descriptors = Array.from({ length: Math.max(0, count) }, (_, index) => this.ready.readInt32LE(index * EVENT_BYTES + EVENT_DATA));
    for (const descriptor of descriptors) this.watched.get(descriptor)?.();
  }
}

const ONE_BYTE = Buffer.from([1]);

interface Pipe {
  readonly readEnd: number;
  readonly writeEnd: number;
}

/** What a child is given. */
interface ChildEnds {
  readonly stdin: number | null;
  readonly stdout: Pipe;
  readonly stderr: Pipe;
  readonly status: Pipe | null;
  readonly gate: Pipe | null;
}

/** A system call failed; `code` is the name of its errno. */
class SystemError extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

class SpawnedChild implements Child {
  readonly pid: number;
  private readonly process: number;
  private readonly open: Map<number, ChildStream>;
  private readonly asking: NodeJS.Timeout | undefined;
  private gate: number | null;
  private status: number | undefined;

  constructor(
    private readonly spawner: PosixSpawner,
    { pid, outputs, gate }: { readonly pid: number; readonly outputs: readonly [number, ChildStream][]; readonly gate: number | null },
    private readonly events: ChildEvents,
  ) {
    this.pid = pid;
    this.open = new Map(outputs);
    this.gate = gate;
    this.process = spawner.openProcess(pid);
    this.resume();
    if (this.process < 0) this.asking = setInterval(() => this.onExit(), ASK_MS);
    else spawner.watch(this.process, () => this.onExit());
  }

  pause(): void {
    for (const descriptor of this.open.keys()) this.spawner.unwatch(descriptor);
  }

  resume(): void {
    for (const [descriptor, stream] of this.open) this.spawner.watch(descriptor, () => this.onReadable(descriptor, stream));
  }

  abandonPipes(): void {
    for (const descriptor of this.open.keys()) this.spawner.close(descriptor);
    this.open.clear();
    this.endIfOver();
  }

  openGate(): void {
    if (this.gate === null) return;
    this.spawner.signal(this.gate);
    this.spawner.close(this.gate);
    this.gate = null;
  }

  private onReadable(descriptor: number, stream: ChildStream): void {
    const data = this.spawner.read(descriptor);
    if (data) return this.events.onOutput(stream, data);
    if (data === undefined) return;
    this.spawner.close(descriptor);
    this.open.delete(descriptor);
    this.endIfOver();
  }

  private onExit(): void {
    this.status = this.spawner.reap(this.pid);
    if (this.status === undefined) return;
    clearInterval(this.asking);
    if (this.process >= 0) this.spawner.close(this.process);
    if (this.gate !== null) this.spawner.close(this.gate);
    this.gate = null;
    this.events.onExit();
    this.endIfOver();
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
