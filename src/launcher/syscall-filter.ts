/**
 * The filter of system calls in a sandbox (seccomp, classic BPF, as seccomp(2) and bpf(4) describe it): namespaces and capabilities
 * already take most rights away; this takes away what they leave open. Everything that is not named is allowed.
 */

/** Numbers of system calls by processor. */
interface Numbers {
  /** `AUDIT_ARCH_…` of linux/audit.h. */
  readonly architecture: number;
  readonly ioctl: number;
  readonly socket: number;
  readonly clone: number;
  readonly refused: readonly number[];
}

/** The same on every processor: io_uring (sockets and files past this filter), new mounts. */
const SHARED_REFUSED = [425, 426, 427, 428, 429, 430, 431, 432, 433, 442];
/** Answered as if the kernel did not know it, so that libraries take the older call, whose flags can be looked at. */
const CLONE3 = 435;

const NUMBERS: Readonly<Partial<Record<NodeJS.Architecture, Numbers>>> = {
  x64: {
    architecture: 0xc000003e,
    ioctl: 16,
    socket: 41,
    clone: 56,
    // ptrace syslog pivot_root mount umount2 quotactl add_key request_key keyctl ioprio_set unshare perf_event_open setns process_vm_* bpf
    // userfaultfd
    refused: [101, 103, 155, 165, 166, 179, 248, 249, 250, 251, 272, 298, 308, 310, 311, 321, 323],
  },
  arm64: {
    architecture: 0xc00000b7,
    ioctl: 29,
    socket: 198,
    clone: 220,
    refused: [117, 116, 41, 40, 39, 60, 217, 218, 219, 30, 97, 241, 268, 270, 271, 280, 282],
  },
};

const LOAD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_AT_LEAST = 0x35;
const JUMP_IF_ANY_BIT = 0x45;
const RETURN = 0x06;

const KILL_PROCESS = 0x80000000;
const ALLOW = 0x7fff0000;
const fail = (errno: number) => 0x00050000 | errno;
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/** Offsets in `struct seccomp_data`; of arguments the lower half, both processors being little-endian. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const argument = (index: number) => 16 + 8 * index;

const X32_NUMBERS = 0x40000000;
const CLONE_NEWUSER = 0x10000000;
/** TIOCSTI, TIOCLINUX: typing into somebody's terminal. */
const TERMINAL_INPUT = [0x5412, 0x541c];
/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Others (AF_VSOCK, to begin with) know no network namespace. */
const FAMILIES = [1, 2, 10, 16];

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

/** The filter as `struct sock_filter[]`; undefined for a processor whose numbers are not known here. */
export function syscallFilter(processor: NodeJS.Architecture = process.arch): Buffer | undefined {
  const numbers = NUMBERS[processor];
  if (!numbers) return undefined;
  const program: readonly Instruction[] = [
    [LOAD, 0, 0, ARCHITECTURE],
    [JUMP_IF_EQUAL, 1, 0, numbers.architecture],
    [RETURN, 0, 0, KILL_PROCESS],
    [LOAD, 0, 0, NUMBER],
    ...returnIf(JUMP_IF_AT_LEAST, X32_NUMBERS, fail(ENOSYS)),
    ...[...numbers.refused, ...SHARED_REFUSED].flatMap((number) => returnIf(JUMP_IF_EQUAL, number, fail(EPERM))),
    ...returnIf(JUMP_IF_EQUAL, CLONE3, fail(ENOSYS)),
    ...only(numbers.clone, [[LOAD, 0, 0, argument(0)], ...returnIf(JUMP_IF_ANY_BIT, CLONE_NEWUSER, fail(EPERM))]),
    ...only(numbers.ioctl, [
      [LOAD, 0, 0, argument(1)],
      ...TERMINAL_INPUT.flatMap((request) => returnIf(JUMP_IF_EQUAL, request, fail(EPERM))),
    ]),
    ...only(numbers.socket, [
      [LOAD, 0, 0, argument(0)],
      ...FAMILIES.flatMap((family) => returnIf(JUMP_IF_EQUAL, family, ALLOW)),
      [RETURN, 0, 0, fail(EAFNOSUPPORT)],
    ]),
    [RETURN, 0, 0, ALLOW],
  ];
  return Buffer.concat(program.map(encode));
}

function returnIf(jump: number, value: number, verdict: number): Instruction[] {
  return [
    [jump, 0, 1, value],
    [RETURN, 0, 0, verdict],
  ];
}

/** Instructions for one call alone; they end in allowing it. */
function only(number: number, instructions: readonly Instruction[]): Instruction[] {
  const block: Instruction[] = [...instructions, [RETURN, 0, 0, ALLOW]];
  return [[JUMP_IF_EQUAL, 0, block.length, number], ...block];
}

function encode([code, ifTrue, ifFalse, value]: Instruction): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(ifTrue, 2);
  bytes.writeUInt8(ifFalse, 3);
  bytes.writeUInt32LE(value >>> 0, 4);
  return bytes;
}
