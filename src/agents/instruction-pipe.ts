/** What a program reads, line by line as it comes. One reader. */
export class InstructionPipe implements AsyncIterable<Uint8Array> {
  private readonly lines: Uint8Array[] = [];
  private isClosed = false;
  private wake: () => void = () => undefined;

  write(line: Uint8Array): void {
    this.lines.push(line);
    this.wake();
  }

  close(): void {
    this.isClosed = true;
    this.wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      for (let line = this.lines.shift(); line; line = this.lines.shift()) yield line;
      if (this.isClosed) return;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}
