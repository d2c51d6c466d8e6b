/** What takes the blocks: one of pino's destinations, or one that behaves like them. */
interface BlockWriter {
  write(text: string): unknown;
  flush(): void;
  flushSync(): void;
}

/** Lines are handed on when there are so many characters of them, or so much time has passed. */
const BLOCK_LENGTH = 8_192;
const LONGEST_WAIT_MS = 100;

/**
 * A destination of pino that joins lines to blocks. pino's own would join them too, but looks at the whole block again
 * for each line that comes to it.
 */
export class LineBlocks {
  private lines = '';
  private timer: NodeJS.Timeout | undefined;

  /** @param openWriter makes the writer. Called after this has its place among those that hear of the exit: lines go before their writer ends */
  static of(openWriter: () => BlockWriter): LineBlocks {
    const hearers: LineBlocks[] = [];
    process.on('beforeExit', () => hearers.forEach((blocks) => blocks.handOn()));
    process.on('exit', () => hearers.forEach((blocks) => blocks.flushSync()));
    const blocks = new LineBlocks(openWriter());
    hearers.push(blocks);
    return blocks;
  }

  private constructor(private readonly writer: BlockWriter) {}

  write(line: string): void {
    this.lines += line;
    if (this.lines.length >= BLOCK_LENGTH) this.handOn();
    else this.timer ??= setTimeout(() => this.handOnLate(), LONGEST_WAIT_MS).unref();
  }

  /** pino asks for this after a fatal line. */
  flushSync(): void {
    this.handOn();
    this.writer.flushSync();
  }

  /** What came so far, as a block of its own. */
  handOn(): void {
    if (this.lines === '') return;
    this.writer.write(this.lines);
    this.lines = '';
  }

  private handOnLate(): void {
    this.timer = undefined;
    this.handOn();
    this.writer.flush();
  }
}
