import { openSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import koffi from 'koffi';
import { PassingMap } from '../domain/passing-map.js';
import { FILTER_FD, GATE_FD, STATUS_FD } from './bubblewrap.js';
import type { HostLaunch } from './host-protocol.js';
import { OPAQUE_BYTES, type Libc } from './libc.js';
import type { Child, ChildEvents, ChildStream } from './node-spawn.js';
import { memoryFile } from './memory-file.js';
import { MOVED, openPlaces, withDescriptors } from './open-places.js';
import type { OwnProcess } from './own-process.js';
import { Readiness, type Found } from './readiness.js';
import { SpawnArena } from './spawn-arena.js';
import { READ_BYTES, SpawnedChild, type ChildPipes, type ChildSystem } from './spawned-child.js';

const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;
const F_SETFL = 4;
const EAGAIN = 11;
const PIDFD_OPEN = 434;
/** POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID; the same in glibc and musl. */
const SPAWN_FLAGS = 0x04 | 0x08 | 0x80;
/** How often children are asked for their end while somebody else holds their pipes, or the system has no descriptor for them. */
const ASK_MS = 25;
const ONE_BYTE = Buffer.from([1]);

/**
 * Starts programs by posix_spawn(3), called through an FFI: the child shares the pages of this process until it has become the
 * program, so that nothing is copied, however large this process is. Pipes are watched in one epoll set. Each call through the FFI
 * takes about a microsecond, so there are as few of them for a run as can be.
 *
 * posix_spawn returns a moment before the child has let go of its copies of our descriptors, and while it holds one, to close ours
 * does not take it out of the epoll set: its number would be reported when it means another pipe already, and reading that would wait.
 * So each is taken out before it is closed.
 */
export class PosixSpawner implements ChildSystem {
  private readonly libc: Libc;
  private readonly arena: SpawnArena;
  private readonly attributes = Buffer.alloc(OPAQUE_BYTES);
  private readonly chunk = Buffer.alloc(READ_BYTES);
  private readonly ends = new Int32Array(2);
  private readonly number = new Int32Array(1);
  private readonly plainActions = new Map<string, Buffer>();
  private readonly children = new PassingMap<number, SpawnedChild>();
  /** Numbers that the ends of pipes for a child are given, so that what it does with them is the same each time. */
  private readonly standing: { readonly nothing: number; readonly stdout: number; readonly stderr: number };
  /** Started in this turn, and not watched yet. */
  private young: SpawnedChild[] = [];
  private asking: NodeJS.Timeout | undefined;
  readonly readiness: Readiness;

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
    if (failure !== 0) throw new Error('This system lacks what is needed to start programs.');
    this.arena = new SpawnArena((buffer) => Number(libc.memmove(buffer, buffer, 0)));
    const openNothing = () => openSync('/dev/null', 'r');
    this.standing = { nothing: openNothing(), stdout: openNothing(), stderr: openNothing() };
    this.readiness = new Readiness(libc);
  }

  /** Like `spawnChild`. */
  spawn(request: HostLaunch, events: ChildEvents): Child | null {
    const open: number[] = [];
    const given: number[] = [];
    try {
      const outputs: [number, ChildStream][] = [
        [this.outputPipe(this.standing.stdout, open), 'stdout'],
        [this.outputPipe(this.standing.stderr, open), 'stderr'],
      ];
      const { pid, gate, input } =
        request.stdin === null && !request.sandbox ? this.startPlain(request) : this.startWith(request, { open, given, outputs });
      const child = new SpawnedChild(this, { pid, outputs, gate, input }, events);
      this.children.set(pid, child);
      if (this.young.push(child) === 1) setImmediate(() => this.lookAtYoung());
      this.ask();
      return child;
    } catch (error) {
      for (const descriptor of open) this.libc.close(descriptor);
      if (!(error instanceof SystemError)) throw error;
      events.onFailure(error.code);
      return null;
    } finally {
      for (const descriptor of given) this.libc.close(descriptor);
      // The child has its copies; as long as we hold one, there is no end of the pipe.
      for (const descriptor of [this.standing.stdout, this.standing.stderr]) this.libc.dup3(this.standing.nothing, descriptor, O_CLOEXEC);
    }
  }

  watch(descriptor: number, onReady: (found: Found) => void): void {
    this.readiness.watch(descriptor, onReady);
  }

  watchForRoom(descriptor: number, onRoom: () => void): void {
    this.readiness.watchForRoom(descriptor, onRoom);
  }

  unwatch(descriptor: number): void {
    this.readiness.unwatch(descriptor);
  }

  close(descriptor: number): void {
    this.unwatch(descriptor);
    this.libc.close(descriptor);
  }

  read(descriptor: number): Buffer | null {
    const bytes = Number(this.libc.read(descriptor, this.chunk, READ_BYTES));
    return bytes > 0 ? this.chunk.subarray(0, bytes) : null;
  }

  write(descriptor: number, data: Uint8Array): number | null {
    const written = Number(this.libc.write(descriptor, data, data.length));
    if (written >= 0) return written;
    return koffi.errno() === EAGAIN ? 0 : null;
  }

  signal(descriptor: number): void {
    this.libc.write(descriptor, ONE_BYTE, 1);
  }

  reap(pid: number): number | undefined {
    return this.self.reap(pid);
  }

  openProcess(pid: number): number {
    return Number(this.libc.syscall(PIDFD_OPEN, pid, 0));
  }

  forget(child: SpawnedChild): void {
    this.children.delete(child.pid);
  }

  private startPlain(request: HostLaunch): Omit<ChildPipes, 'outputs'> {
    const { cwd } = request;
    let actions = this.plainActions.get(cwd);
    if (!actions) {
      if (cwd.includes('\0')) throw new SystemError('ERR_INVALID_ARG_VALUE');
      actions = this.actions(cwd, this.standing.nothing);
      this.plainActions.set(cwd, actions);
    }
    return { pid: this.start(request, actions), gate: null, input: null };
  }

  /** With a stdin, or what bubblewrap needs besides. */
  private startWith({ stdin, sandbox, ...request }: HostLaunch, { open, given, outputs }: Descriptors): Omit<ChildPipes, 'outputs'> {
    const { libc } = this;
    const nothing = sandbox?.nullDevice ?? this.standing.nothing;
    const input = stdin !== null && typeof stdin === 'object' ? this.inputPipe({ open, given }) : null;
    const source = typeof stdin === 'string' ? this.textFile(stdin, given) : nothing;
    const actions = this.actions(request.cwd, input?.theirs ?? source);
    try {
      if (sandbox) outputs.push([this.givenPipe(actions, STATUS_FD, 'write', { open, given }), 'status']);
      const gate = sandbox && request.group ? this.givenPipe(actions, GATE_FD, 'read', { open, given }) : null;
      // Opened anew for each child: bubblewrap reads it from where it stands to its end.
      if (sandbox?.filter) libc.posix_spawn_file_actions_addopen(actions, FILTER_FD, sandbox.filter, 0, 0);
      const places = openPlaces(sandbox?.places ?? []);
      if (places === null) throw new SystemError(MOVED);
      given.push(...places);
      // Onto itself: that is how a descriptor outlives the start of a program.
      for (const place of places) libc.posix_spawn_file_actions_adddup2(actions, place, place);
      const argv = withDescriptors(request.argv, sandbox?.places ?? [], places);
      return { pid: this.start({ ...request, argv, stdin, sandbox }, actions), gate, input: input?.ours ?? null };
    } finally {
      libc.posix_spawn_file_actions_destroy(actions);
    }
  }

  private start({ file, argv, env }: HostLaunch, actions: Buffer): number {
    const variables: string[] = [];
    for (const name in env) variables.push(`${name}=${env[name]}`);
    // What a C string cannot hold would be cut.
    if (file === '' || hasNul(file) || argv.some(hasNul) || variables.some(hasNul)) throw new SystemError('ERR_INVALID_ARG_VALUE');
    const strings = this.arena.layOut(file, argv, variables);
    const failure = this.libc.posix_spawn(this.number, strings.file, actions, this.attributes, strings.argv, strings.envp);
    if (failure !== 0) throw new SystemError(getSystemErrorName(-failure));
    return this.number[0]!;
  }

  /** What a child does before it becomes its program. @param stdin a descriptor, or a file to open */
  private actions(cwd: string, stdin: number | string): Buffer {
    const { libc, standing } = this;
    const actions = Buffer.alloc(OPAQUE_BYTES);
    libc.posix_spawn_file_actions_init(actions);
    if (typeof stdin === 'string') libc.posix_spawn_file_actions_addopen(actions, 0, stdin, 0, 0);
    else libc.posix_spawn_file_actions_adddup2(actions, stdin, 0);
    libc.posix_spawn_file_actions_adddup2(actions, standing.stdout, 1);
    libc.posix_spawn_file_actions_adddup2(actions, standing.stderr, 2);
    libc.posix_spawn_file_actions_addchdir_np(actions, cwd);
    return actions;
  }

  /** The end to read from; the other one takes the place of `standing`. */
  private outputPipe(standing: number, open: number[]): number {
    const [readEnd, writeEnd] = this.pipe();
    open.push(readEnd);
    this.libc.dup3(writeEnd, standing, O_CLOEXEC);
    this.libc.close(writeEnd);
    return readEnd;
  }

  /** Our end of a pipe whose other end the child gets as `descriptor`, to write to or to read from. */
  private givenPipe(actions: Buffer, descriptor: number, use: 'write' | 'read', { open, given }: Omit<Descriptors, 'outputs'>): number {
    const [readEnd, writeEnd] = this.pipe();
    const [ours, theirs] = use === 'write' ? [readEnd, writeEnd] : [writeEnd, readEnd];
    open.push(ours);
    given.push(theirs);
    this.libc.posix_spawn_file_actions_adddup2(actions, theirs, descriptor);
    return ours;
  }

  private textFile(text: string, given: number[]): number {
    const descriptor = memoryFile(this.libc, text);
    if (descriptor < 0) throw this.lastError();
    given.push(descriptor);
    return descriptor;
  }

  /** For a stdin that is fed: our end never waits for room. */
  private inputPipe({ open, given }: Omit<Descriptors, 'outputs'>): { readonly ours: number; readonly theirs: number } {
    const [theirs, ours] = this.pipe();
    open.push(ours);
    given.push(theirs);
    if (this.libc.fcntl(ours, F_SETFL, O_NONBLOCK) < 0) throw this.lastError();
    return { ours, theirs };
  }

  private pipe(): readonly [number, number] {
    if (this.libc.pipe2(this.ends, O_CLOEXEC) !== 0) throw this.lastError();
    return [this.ends[0]!, this.ends[1]!];
  }

  private lastError(): SystemError {
    return new SystemError(getSystemErrorName(-koffi.errno()));
  }

  /** Of programs that were started in one turn the first have often ended by its end: one call finds them all, and they need not be watched. */
  private lookAtYoung(): void {
    const { young } = this;
    this.young = [];
    const pipes = young.flatMap((child) => Array.from(child.descriptors, (descriptor) => ({ child, descriptor })));
    this.readiness.lookAt(pipes, ({ child, descriptor }, found) => child.take(descriptor, found));
    for (const child of young) child.watch();
  }

  /** Most ends are seen by the end of the pipes; this sees the others. */
  private ask(): void {
    this.asking ??= setInterval(() => {
      for (const child of this.children.values()) child.lookForEnd();
      if (this.children.size > 0) return;
      clearInterval(this.asking);
      this.asking = undefined;
    }, ASK_MS);
  }
}

/** What a start has opened: to be closed when it fails (`open`), and in any case (`given`). */
interface Descriptors {
  readonly open: number[];
  readonly given: number[];
  readonly outputs: [number, ChildStream][];
}

function hasNul(text: string): boolean {
  return text.includes('\0');
}

/** A system call failed; `code` is the name of its errno. */
class SystemError extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}
