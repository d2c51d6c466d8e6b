import { describe, expect, it } from '@jest/globals';
import { syscallFilter } from './syscall-filter.js';

const X64 = 0xc000003e;
const ARM64 = 0xc00000b7;
const ALLOW = 'allow';

interface Call {
  readonly architecture: number;
  readonly number: number;
  readonly args?: readonly number[];
}

/** Runs the filter as the kernel's interpreter would (the four instructions that it uses). */
function verdict(filter: Buffer, { architecture, number, args = [] }: Call): string {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number >>> 0, 0);
  data.writeUInt32LE(architecture, 4);
  for (const [index, argument] of args.entries()) data.writeUInt32LE(argument >>> 0, 16 + 8 * index);
  let accumulator = 0;
  for (let at = 0; at < filter.length / 8; at++) {
    const [code, ifTrue, ifFalse, value] = [
      filter.readUInt16LE(at * 8),
      filter[at * 8 + 2]!,
      filter[at * 8 + 3]!,
      filter.readUInt32LE(at * 8 + 4),
    ];
    if (code === 0x20) accumulator = data.readUInt32LE(value);
    else if (code === 0x15) at += accumulator === value ? ifTrue : ifFalse;
    else if (code === 0x35) at += accumulator >= value ? ifTrue : ifFalse;
    else if (code === 0x45) at += (accumulator & value) !== 0 ? ifTrue : ifFalse;
    else if (code === 0x06) return value === 0x7fff0000 ? ALLOW : value === 0x80000000 ? 'kill' : `errno ${value & 0xffff}`;
    else throw new Error(`an instruction that is not used here: ${code}`);
  }
  throw new Error('the filter has no end');
}

describe.each([
  { processor: 'x64' as const, architecture: X64, read: 0, execve: 59, ioctl: 16, socket: 41, clone: 56, ptrace: 101, unshare: 272 },
  { processor: 'arm64' as const, architecture: ARM64, read: 63, execve: 221, ioctl: 29, socket: 198, clone: 220, ptrace: 117, unshare: 97 },
])('the filter of system calls for $processor', ({ processor, architecture, read, execve, ioctl, socket, clone, ptrace, unshare }) => {
  const filter = syscallFilter(processor) ?? Buffer.alloc(0);
  const answer = (number: number, ...args: number[]) => verdict(filter, { architecture, number, args });

  it('lets ordinary calls pass', () => {
    for (const number of [read, execve]) expect(answer(number)).toBe(ALLOW);
  });

  it('kills a program that calls in another tongue', () => {
    expect(verdict(filter, { architecture: 0x40000003, number: read })).toBe('kill');
    expect(verdict(filter, { architecture: architecture === X64 ? ARM64 : X64, number: read })).toBe('kill');
    expect(answer(0x40000000 + read)).toBe('errno 38');
  });

  it('refuses what reaches around namespaces', () => {
    for (const number of [ptrace, unshare, 425, 426, 427, 428, 442]) expect(answer(number)).toBe('errno 1');
    expect(answer(435)).toBe('errno 38');
    expect(answer(clone, 0x01200011)).toBe(ALLOW);
    expect(answer(clone, 0x10000011)).toBe('errno 1');
  });

  it('allows sockets of the families that a network namespace holds, and no others', () => {
    for (const family of [1, 2, 10, 16]) expect(answer(socket, family)).toBe(ALLOW);
    for (const family of [0, 17, 31, 38, 40, 44]) expect(answer(socket, family)).toBe('errno 97');
  });

  it('lets nobody type into a terminal', () => {
    expect(answer(ioctl, 0, 0x5401)).toBe(ALLOW);
    for (const request of [0x5412, 0x541c]) expect(answer(ioctl, 0, request)).toBe('errno 1');
  });
});

describe('the filter of system calls', () => {
  it('is not made for processors whose numbers are not known', () => {
    expect(syscallFilter('s390x')).toBeUndefined();
  });
});
