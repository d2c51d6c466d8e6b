/** Bytes for the strings of one start, at first; more are taken when a start needs them. */
const FIRST_BYTES = 64 * 1024;
const POINTER_BYTES = 8;

/** What posix_spawn(3) takes, as addresses of C strings and of arrays of them that end in a null pointer. */
export interface SpawnStrings {
  readonly file: bigint;
  readonly argv: bigint;
  readonly envp: bigint;
}

/**
 * Memory in which the strings of one start are laid out as C wants them. Doing that here, in one buffer that is used again and again,
 * takes a fraction of the time that the FFI's own conversion of arrays takes.
 */
export class SpawnArena {
  private bytes = Buffer.alloc(0);
  private address = 0n;

  /** @param addressOf where a buffer lies in memory; it does not move */
  constructor(private readonly addressOf: (buffer: Buffer) => bigint) {}

  /** Valid until the next call. The strings must not contain NUL. */
  layOut(file: string, argv: readonly string[], env: readonly string[]): SpawnStrings {
    this.reserve(file, argv, env);
    const fileAt = (argv.length + env.length + 2) * POINTER_BYTES;
    const argvEnd = this.layOutArray(0, argv, fileAt + this.writeString(file, fileAt));
    this.layOutArray((argv.length + 1) * POINTER_BYTES, env, argvEnd);
    return {
      file: this.address + BigInt(fileAt),
      argv: this.address,
      envp: this.address + BigInt((argv.length + 1) * POINTER_BYTES),
    };
  }

  /** @returns the place behind the last string */
  private layOutArray(pointersAt: number, texts: readonly string[], textsAt: number): number {
    let [pointer, end] = [pointersAt, textsAt];
    for (const text of texts) {
      this.bytes.writeBigUInt64LE(this.address + BigInt(end), pointer);
      pointer += POINTER_BYTES;
      end += this.writeString(text, end);
    }
    this.bytes.writeBigUInt64LE(0n, pointer);
    return end;
  }

  private writeString(text: string, at: number): number {
    const length = this.bytes.write(text, at);
    this.bytes[at + length] = 0;
    return length + 1;
  }

  private reserve(file: string, argv: readonly string[], env: readonly string[]): void {
    // A UTF-16 unit takes three bytes of UTF-8 at most.
    let most = file.length * 3 + 1 + (argv.length + env.length + 2) * POINTER_BYTES;
    for (const texts of [argv, env]) for (const text of texts) most += text.length * 3 + 1;
    if (most <= this.bytes.length) return;
    this.bytes = Buffer.allocUnsafeSlow(Math.max(most, FIRST_BYTES));
    this.address = this.addressOf(this.bytes);
  }
}
