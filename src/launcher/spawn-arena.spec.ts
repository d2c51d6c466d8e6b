import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { SpawnArena, type SpawnStrings } from './spawn-arena.js';

/** A machine whose memory is one buffer at a time, at an address of our choice. */
class Memory {
  static readonly BASE = 0x7f00_ffff_f000;
  buffer: Buffer = Buffer.alloc(0);
  allocations = 0;

  readonly addressOf = (buffer: Buffer): number => {
    this.buffer = buffer;
    this.allocations++;
    return Memory.BASE;
  };

  string(address: number): string {
    const start = address - Memory.BASE;
    return this.buffer.toString('utf8', start, this.buffer.indexOf(0, start));
  }

  strings(address: number): string[] {
    const found: string[] = [];
    for (let at = address - Memory.BASE; ; at += 8) {
      const pointer = Number(this.buffer.readBigUInt64LE(at));
      if (pointer === 0) return found;
      found.push(this.string(pointer));
    }
  }

  all({ file, argv, envp }: SpawnStrings) {
    return { file: this.string(file), argv: this.strings(argv), env: this.strings(envp) };
  }
}

const text = fc.string({ unit: 'grapheme', maxLength: 50 }).filter((value) => !value.includes('\0'));
const start = fc.record({ file: text, argv: fc.array(text, { maxLength: 20 }), env: fc.array(text, { maxLength: 20 }) });

describe('the strings of a start', () => {
  it('are laid out as C reads them, whatever was laid out before', () => {
    const memory = new Memory();
    const arena = new SpawnArena(memory.addressOf);
    fc.assert(
      fc.property(start, ({ file, argv, env }) => {
        expect(memory.all(arena.layOut(file, argv, env))).toEqual({ file, argv, env });
      }),
    );
  });

  it('get more memory when they need it, and use it again afterwards', () => {
    const memory = new Memory();
    const arena = new SpawnArena(memory.addressOf);
    const long = 'é✓'.repeat(100_000);
    arena.layOut('/bin/true', ['true'], []);
    expect(memory.all(arena.layOut('/bin/echo', ['echo', long], ['A=b']))).toEqual({
      file: '/bin/echo',
      argv: ['echo', long],
      env: ['A=b'],
    });
    expect(memory.all(arena.layOut('/bin/true', ['true'], []))).toEqual({ file: '/bin/true', argv: ['true'], env: [] });
    expect(memory.allocations).toBe(2);
  });
});
