import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayError } from '../domain/errors.js';

const CURRENT = 'api_requests.log';
const PUT_AWAY = /^api_requests-(\d{4}-\d\d-\d\d)(?:\.(\d{1,9}))?\.log$/;
/** Whoever collects logs is in the group; others see nothing. */
const FOLDER_MODE = 0o750;
const FILE_MODE = 0o640;
const DAY_MS = 86_400_000;
/** Longer than any line. */
const TAIL_BYTES = 64 * 1024;
const HEAD_BYTES = 128;

/** How much is kept: days with today, and bytes of all files together. */
export interface Kept {
  readonly days: number;
  readonly bytes: number;
}

interface PutAway {
  readonly name: string;
  /** `2026-11-21`, UTC. */
  readonly day: string;
  /** Several of one day: the first has 0 and no number in its name. */
  readonly number: number;
}

/** The file that is written. */
export class OpenFile {
  private constructor(
    private readonly handle: FileHandle,
    private readonly inode: bigint,
    public size: number,
    /** UTC day of its lines; an empty file takes that of the next line. */
    public day: string,
  ) {}

  static async open(path: string): Promise<OpenFile> {
    const handle = await open(path, 'a+', FILE_MODE);
    try {
      const found = await handle.stat({ bigint: true });
      if (!found.isFile()) throw new GatewayError('internal', `${CURRENT} is no file`);
      const day = await firstDay(handle, new Date(Number(found.mtimeMs)));
      return new OpenFile(handle, found.ino, await wholeLines(handle, Number(found.size)), day);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get fd(): number {
    return this.handle.fd;
  }

  /** Whether what is found under the path is still this file. */
  async isAt(path: string): Promise<boolean> {
    const found = await stat(path, { bigint: true }).catch(() => undefined);
    return found?.ino === this.inode;
  }

  /** All of it or nothing: a full disk leaves no half line. */
  async append(text: string): Promise<void> {
    const bytes = Buffer.from(text);
    let written = 0;
    try {
      while (written < bytes.length) written += (await this.handle.write(bytes, written)).bytesWritten;
    } catch (error) {
      if (written > 0) await this.handle.truncate((await this.handle.stat()).size - written);
      throw error;
    }
    this.size += written;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** The day that its first line tells; where that is no line of ours, the one on which it was last written. */
async function firstDay(handle: FileHandle, writtenAt: Date): Promise<string> {
  const head = Buffer.alloc(HEAD_BYTES);
  const { bytesRead } = await handle.read(head, 0, HEAD_BYTES, 0);
  return /"time":"(\d{4}-\d\d-\d\d)T/.exec(head.toString('latin1', 0, bytesRead))?.[1] ?? writtenAt.toISOString().slice(0, 10);
}

/** Cuts off the half line that a killed gateway may have left. @returns the size that remains */
async function wholeLines(handle: FileHandle, size: number): Promise<number> {
  const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
  await handle.read(tail, 0, tail.length, size - tail.length);
  const end = tail.lastIndexOf('\n') + 1;
  if (end === tail.length) return size;
  const whole = size - tail.length + end;
  await handle.truncate(whole);
  return whole;
}

/** `api_requests.log` and, named by day, what was written before it: `api_requests-2026-11-21.log`, `api_requests-2026-11-21.1.log`. */
export class DailyFiles {
  readonly current: string;

  constructor(private readonly folder: string) {
    this.current = join(folder, CURRENT);
  }

  /** Makes the folder where it is missing. */
  async open(): Promise<OpenFile> {
    await mkdir(this.folder, { recursive: true, mode: FOLDER_MODE });
    return OpenFile.open(this.current);
  }

  /** Gives the written file the name of its day. */
  async putAway(day: string): Promise<void> {
    const numbers = (await this.list()).filter((file) => file.day === day).map(({ number }) => number);
    const next = Math.max(-1, ...numbers) + 1;
    await rename(this.current, join(this.folder, `api_requests-${day}${next === 0 ? '' : `.${next}`}.log`));
  }

  /** Removes what is too old or, the oldest first, too much. */
  async prune(today: string, { days, bytes }: Kept): Promise<void> {
    const oldest = new Date(Date.parse(today) - (days - 1) * DAY_MS).toISOString().slice(0, 10);
    let room = bytes - (await sizeOf(this.current));
    for (const { name, day } of (await this.list()).toReversed()) {
      const path = join(this.folder, name);
      room -= await sizeOf(path);
      if (day < oldest || room < 0) await rm(path, { force: true });
    }
  }

  /** The oldest first. */
  private async list(): Promise<PutAway[]> {
    const files = (await readdir(this.folder)).flatMap((name): PutAway[] => {
      const [, day, number = '0'] = PUT_AWAY.exec(name) ?? [];
      return day === undefined ? [] : [{ name, day, number: Number(number) }];
    });
    return files.sort((one, other) => (one.day === other.day ? one.number - other.number : one.day < other.day ? -1 : 1));
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}
