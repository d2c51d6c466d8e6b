/* oxlint-disable max-params, max-lines-per-function -- the C library's own signatures */
import koffi from 'koffi';

/** More than any libc needs for its opaque structures (glibc: 80, 336 and 128 bytes). */
export const OPAQUE_BYTES = 1_024;

/**
 * The C library that Node itself runs on.
 * @throws Error where it has no such function
 */
export function bindLibc() {
  const libc = koffi.load(null);
  return {
    close: libc.func('int close(int descriptor)') as (descriptor: number) => number,
    epoll_create1: libc.func('int epoll_create1(int flags)') as (flags: number) => number,
    epoll_ctl: libc.func('int epoll_ctl(int set, int operation, int descriptor, void *event)') as (
      set: number,
      operation: number,
      descriptor: number,
      event: Buffer,
    ) => number,
    epoll_wait: libc.func('int epoll_wait(int set, void *events, int count, int timeout)') as (
      set: number,
      events: Buffer,
      count: number,
      timeout: number,
    ) => number,
    fcntl: libc.func('int fcntl(int descriptor, int command, int value)') as (descriptor: number, command: number, value: number) => number,
    lseek: libc.func('long lseek(int descriptor, long offset, int whence)') as (
      descriptor: number,
      offset: number,
      whence: number,
    ) => number | bigint,
    memfd_create: libc.func('int memfd_create(const char *name, unsigned int flags)') as (name: string, flags: number) => number,
    pipe2: libc.func('int pipe2(void *ends, int flags)') as (ends: Int32Array, flags: number) => number,
    dup3: libc.func('int dup3(int from, int to, int flags)') as (from: number, to: number, flags: number) => number,
    /** Gives its first argument back: with no bytes to move, the address of a buffer. */
    memmove: libc.func('uintptr_t memmove(void *to, const void *from, size_t count)') as (
      to: Buffer,
      from: Buffer,
      count: number,
    ) => number | bigint,
    /** `file`, `argv` and `envp` are addresses. */
    posix_spawn: libc.func(
      'int posix_spawn(void *pid, uintptr_t file, void *actions, void *attributes, uintptr_t argv, uintptr_t envp)',
    ) as (pid: Int32Array, file: number, actions: Buffer, attributes: Buffer, argv: number, envp: number) => number,
    posix_spawn_file_actions_addchdir_np: libc.func('int posix_spawn_file_actions_addchdir_np(void *actions, const char *folder)') as (
      actions: Buffer,
      folder: string,
    ) => number,
    posix_spawn_file_actions_adddup2: libc.func('int posix_spawn_file_actions_adddup2(void *actions, int from, int to)') as (
      actions: Buffer,
      from: number,
      to: number,
    ) => number,
    posix_spawn_file_actions_addopen: libc.func(
      'int posix_spawn_file_actions_addopen(void *actions, int descriptor, const char *path, int flags, uint32_t mode)',
    ) as (actions: Buffer, descriptor: number, path: string, flags: number, mode: number) => number,
    posix_spawn_file_actions_destroy: libc.func('int posix_spawn_file_actions_destroy(void *actions)') as (actions: Buffer) => number,
    posix_spawn_file_actions_init: libc.func('int posix_spawn_file_actions_init(void *actions)') as (actions: Buffer) => number,
    posix_spawnattr_init: libc.func('int posix_spawnattr_init(void *attributes)') as (attributes: Buffer) => number,
    posix_spawnattr_setflags: libc.func('int posix_spawnattr_setflags(void *attributes, short flags)') as (
      attributes: Buffer,
      flags: number,
    ) => number,
    posix_spawnattr_setsigdefault: libc.func('int posix_spawnattr_setsigdefault(void *attributes, void *signals)') as (
      attributes: Buffer,
      signals: Buffer,
    ) => number,
    posix_spawnattr_setsigmask: libc.func('int posix_spawnattr_setsigmask(void *attributes, void *signals)') as (
      attributes: Buffer,
      signals: Buffer,
    ) => number,
    /** `polled` is an array of `struct pollfd`: descriptor, then 16 bits each of what to look for and what was found. */
    poll: libc.func('int poll(void *polled, unsigned long count, int timeout)') as (
      polled: Int32Array,
      count: number,
      timeout: number,
    ) => number,
    prctl: libc.func('int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)') as (
      option: number,
      a: number,
      b: number,
      c: number,
      d: number,
    ) => number,
    /** Where it is called: in this thread, or by `async` in one of libuv's pool. */
    pthread_sigmask: libc.func('int pthread_sigmask(int how, void *set, void *before)') as {
      async(how: number, set: Buffer, before: null, done: (error: Error | null, failure: number) => void): void;
    },
    read: libc.func('long read(int descriptor, void *into, size_t count)') as (
      descriptor: number,
      into: Buffer,
      count: number,
    ) => number | bigint,
    sched_setscheduler: libc.func('int sched_setscheduler(int thread, int policy, void *priority)') as (
      thread: number,
      policy: number,
      priority: Buffer,
    ) => number,
    sigaddset: libc.func('int sigaddset(void *signals, int signal)') as (signals: Buffer, signal: number) => number,
    sigfillset: libc.func('int sigfillset(void *signals)') as (signals: Buffer) => number,
    syscall: libc.func('long syscall(long number, int pid, unsigned int flags)') as (
      number: number,
      pid: number,
      flags: number,
    ) => number | bigint,
    waitpid: libc.func('int waitpid(int pid, void *status, int options)') as (pid: number, status: Int32Array, options: number) => number,
    write: libc.func('long write(int descriptor, const void *from, size_t count)') as (
      descriptor: number,
      from: Uint8Array,
      count: number,
    ) => number | bigint,
  };
}

export type Libc = ReturnType<typeof bindLibc>;
