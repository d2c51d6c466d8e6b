import { openSync, writeSync } from 'node:fs';
import { getSystemErrorMessage } from 'node:util';
import { GatewayError } from '../domain/errors.js';
import type { Clock } from '../domain/ports.js';
import type { DailyFiles, Kept, OpenFile } from './daily-files.js';
import { lineCount, type LogOutlet, MOST_WAITING } from './log-outlet.js';

/** A file that has grown to this is put away before its day is over. */
const LARGEST_PIECE_BYTES = 256 * 1024 ** 2;
/** Pieces of what is kept at most, so that making room takes little of it. */
const LEAST_PIECES = 16;
/** Blocks that wait are joined up to this: one operation for many of them. */
const JOINED_LENGTH = 256 * 1024;
/** A disk that has not answered for this long is said to hang. */
const HANGS_MS = 5_000;

interface Block {
  readonly day: string;
  readonly text: string;
}

export interface RotatingFileOptions {
  readonly clock: Clock;
  /** Asked anew whenever it matters. */
  readonly kept: () => Kept;
  /** Hears why it cannot be written, once when that begins, and undefined when it can be again. */
  readonly onTrouble: (failure: string | undefined) => void;
  /** What is too old could not be removed; writing goes on. */
  readonly onPruneFailed: (error: unknown) => void;
}

/**
 * A log in daily files. Nobody waits for it: blocks of lines wait in memory, bounded, while one asynchronous operation at a time is under
 * way. After a failure everything is tried anew from opening on, whenever {@link look} is called.
 */
export class RotatingFile implements LogOutlet {
  readonly log = 'requests';
  failure: string | undefined;
  linesLost = 0;
  /** UTC day (`2026-11-21`) of the lines that come next. */
  day = '';
  private readonly queue: Block[] = [];
  private waiting = 0;
  private file: OpenFile | undefined;
  private work: Promise<void> | undefined;
  private workingSince = 0;
  private mayPrune = true;

  constructor(
    private readonly files: DailyFiles,
    private readonly options: RotatingFileOptions,
  ) {}

  /** Takes whole lines. */
  write(text: string): void {
    if (this.waiting + text.length > MOST_WAITING) {
      this.linesLost += lineCount(text);
      return;
    }
    const last = this.queue.at(-1);
    if (last?.day === this.day && last.text.length < JOINED_LENGTH)
      this.queue[this.queue.length - 1] = { day: this.day, text: last.text + text };
    else this.queue.push({ day: this.day, text });
    this.waiting += text.length;
    if (this.failure === undefined) this.begin(() => this.drain());
  }

  /** Nothing is held back here. */
  flush(): void {}

  /** Writes what waits, at the end of the process. A disk that hangs is not waited for. */
  flushSync(): void {
    const text = this.queue.map((block) => block.text).join('');
    this.queue.length = 0;
    this.waiting = 0;
    if (text === '') return;
    try {
      if (this.hangs()) throw new GatewayError('internal', 'the disk does not answer');
      const bytes = Buffer.from(text);
      const fd = this.file?.fd ?? openSync(this.files.current, 'a', 0o640);
      for (let written = 0; written < bytes.length;) written += writeSync(fd, bytes, written);
    } catch {
      this.linesLost += lineCount(text); // Nobody is there any more to be told.
    }
  }

  /** Finds out whether it can be written, puts the file of a day that is over away, removes what is too old. To be called now and then. */
  async look(): Promise<void> {
    this.begin(async () => {
      await this.lookAtFile();
      await this.drain();
    });
    if (this.hangs()) this.fail('the disk does not answer');
    else await this.work;
  }

  /** Writes what waits and closes. What comes later is written all the same, at the end of the process. */
  async close(): Promise<void> {
    await this.work;
    this.begin(() => this.drain());
    await this.work;
    await this.file?.close().catch(() => undefined); // Its lines are written.
    this.file = undefined;
  }

  private hangs(): boolean {
    return this.work !== undefined && this.options.clock.monotonic() - this.workingSince > HANGS_MS;
  }

  /** One thing at a time: each holds a thread of Node's when the disk hangs, and there are four of them. */
  private begin(work: () => Promise<void>): void {
    if (this.work) return;
    this.workingSince = this.options.clock.monotonic();
    this.work = this.carryOut(work).finally(() => (this.work = undefined));
  }

  private async carryOut(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.fail(undefined);
    } catch (error) {
      this.fail(reasonOf(error));
      // Of a file that cannot be written the close has nothing to tell.
      await this.file?.close().catch(() => undefined);
      this.file = undefined;
    }
    await this.prune();
  }

  private fail(failure: string | undefined): void {
    const isNews = (failure === undefined) !== (this.failure === undefined);
    this.failure = failure;
    if (isNews) this.options.onTrouble(failure);
  }

  private async lookAtFile(): Promise<void> {
    if (this.file && !(await this.file.isAt(this.files.current))) await this.letGo(this.file);
    this.file ??= await this.files.open();
    const today = this.options.clock.now().slice(0, 10);
    if (this.queue.length === 0 && this.file.size > 0 && this.file.day !== today) await this.rotate(this.file);
  }

  private async drain(): Promise<void> {
    for (let block = this.queue[0]; block; block = this.queue[0]) {
      const file = await this.fileFor(block);
      // The process may be ending meanwhile.
      if (this.queue[0] === block) await this.append(file, block);
      this.workingSince = this.options.clock.monotonic();
    }
  }

  private async append(file: OpenFile, block: Block): Promise<void> {
    this.queue.shift();
    try {
      await file.append(block.text);
      this.waiting -= block.text.length;
    } catch (error) {
      this.queue.unshift(block);
      throw error;
    }
  }

  private async fileFor({ day, text }: Block): Promise<OpenFile> {
    const file = (this.file ??= await this.files.open());
    const piece = Math.min(LARGEST_PIECE_BYTES, this.options.kept().bytes / LEAST_PIECES);
    if (file.size > 0 && (file.day !== day || file.size + text.length > piece)) return this.rotate(file, day);
    file.day = day;
    return file;
  }

  private async rotate(file: OpenFile, day = file.day): Promise<OpenFile> {
    const isStillThere = await file.isAt(this.files.current);
    await this.letGo(file);
    if (isStillThere) await this.files.putAway(file.day);
    this.mayPrune = true;
    this.file = await this.files.open();
    this.file.day = day;
    return this.file;
  }

  private async letGo(file: OpenFile): Promise<void> {
    this.file = undefined;
    await file.close();
  }

  private async prune(): Promise<void> {
    if (!this.mayPrune || this.failure !== undefined) return;
    this.mayPrune = false;
    try {
      await this.files.prune(this.options.clock.now().slice(0, 10), this.options.kept());
    } catch (error) {
      this.options.onPruneFailed(error);
    }
  }
}

/** In the system's words, which name no path. */
function reasonOf(error: unknown): string {
  if (error instanceof GatewayError) return error.message;
  const { errno } = error as NodeJS.ErrnoException;
  return errno === undefined ? 'it failed unexpectedly' : getSystemErrorMessage(errno);
}
