/** Bytes for the strings of one start, at first; more are taken when a start needs them. */
const FIRST_BYTES = 64 * 1024;
const POINTER_BYTES = 8;
/** A UTF-16 unit takes so many bytes of UTF-8 at most. */
const UNIT_BYTES = 3;
const HALF_POINTER = 2 ** 32;

/** What posix_spawn(3) takes, as addresses of C strings and of arrays of them that end in a null pointer. */
export interface SpawnStrings {
  readonly file: number;
  readonly argv: number;
  readonly envp: number;
}

/** Where strings begin, and how many bytes each takes there. */
interface Strings {
  readonly from: number;
  sizeOf(string: string): number;
}

/**
 * Memory in which the strings of one start are laid out as C wants them. Doing that here, in one buffer that is used again and again,
 * takes a fraction of the time that the FFI's own conversion of arrays takes. Addresses are plain numbers: those of a process end far
 * below what a number holds exactly.
 */
export class SpawnArena {
  private bytes = Buffer.alloc(0);
  private address = 0;

  /** @param addressOf where a buffer lies in memory; it does not move */
  constructor(private readonly addressOf: (buffer: Buffer) => number) {}

  /** Valid until the next call. The strings must not contain NUL. */
  layOut(file: string, argv: readonly string[], env: readonly string[]): SpawnStrings {
    const text = `${[file, ...argv, ...env].join('\0')}\0`;
    const envpAt = (argv.length + 1) * POINTER_BYTES;
    const fileAt = envpAt + (env.length + 1) * POINTER_BYTES;
    this.reserve(fileAt + text.length * UNIT_BYTES);
    // One call for all of them: each takes longer than it takes to write its string.
    const isAscii = this.bytes.write(text, fileAt) === text.length;
    const sizeOf = (string: string) => (isAscii ? string.length : Buffer.byteLength(string)) + 1;
    const argvEnd = this.pointAt(0, argv, { from: fileAt + sizeOf(file), sizeOf });
    this.pointAt(envpAt, env, { from: argvEnd, sizeOf });
    return { file: this.address + fileAt, argv: this.address, envp: this.address + envpAt };
  }

  /** @returns the place behind the last of the strings, which stand one after the other */
  private pointAt(pointersAt: number, strings: readonly string[], { from, sizeOf }: Strings): number {
    let [pointer, at] = [pointersAt, from];
    for (const string of strings) {
      this.point(pointer, this.address + at);
      pointer += POINTER_BYTES;
      at += sizeOf(string);
    }
    this.point(pointer, 0);
    return at;
  }

  private point(at: number, address: number): void {
    this.bytes.writeUInt32LE(address % HALF_POINTER, at);
    this.bytes.writeUInt32LE(Math.floor(address / HALF_POINTER), at + POINTER_BYTES / 2);
  }

  private reserve(bytes: number): void {
    if (bytes <= this.bytes.length) return;
    this.bytes = Buffer.allocUnsafeSlow(Math.max(bytes, FIRST_BYTES));
    this.address = this.addressOf(this.bytes);
  }
}
