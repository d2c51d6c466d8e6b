import { accessSync, constants, type Stats, statSync } from 'node:fs';

/** The write-ahead log is cut down to this when something held it back for long. Below, it stays as it is and is written anew. */
export const LOG_KEEPS_BYTES = 16 * 1024 ** 2;

/** The files of a database by their suffix, with the size under which we never cut them ourselves. */
const FILES: readonly (readonly [suffix: string, keepsBytes: number])[] = [
  ['', Infinity],
  ['-wal', LOG_KEEPS_BYTES],
  ['-shm', 0],
];

/**
 * Notices that the database was moved, deleted, replaced, cut or write-protected under our hands: SQLite would go on writing into a
 * file that nobody finds again.
 */
export class DatabaseFiles {
  private readonly known = new Map<string, { readonly inode: string; readonly size: number }>();

  constructor(private readonly file: string) {}

  /** What is wrong with the files, compared with the look before; undefined when nothing is. */
  fault(): string | undefined {
    for (const [suffix, keepsBytes] of FILES) {
      const fault = this.look(this.file + suffix, keepsBytes);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** The same for what open files do not feel: a read-only mount, an immutable file. */
  protection(): string | undefined {
    try {
      accessSync(this.file, constants.W_OK);
      return undefined;
    } catch {
      return 'The database was write-protected while in use.';
    }
  }

  /** For whoever writes, after each write and before it is acknowledged: the log must not shrink from now on. */
  noteLog(): void {
    const path = `${this.file}-wal`;
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat) this.known.set(path, { inode: inodeOf(stat), size: stat.size });
  }

  private look(path: string, keepsBytes: number): string | undefined {
    const before = this.known.get(path);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat) return before && 'The database was moved or deleted while in use.';
    // For root, who may write all the same.
    if ((stat.mode & constants.S_IWUSR) === 0) return 'The database was write-protected while in use.';
    const now = { inode: inodeOf(stat), size: stat.size };
    if (before && before.inode !== now.inode) return 'The database was replaced while in use.';
    if (before && now.size < Math.min(before.size, keepsBytes)) return 'The database was cut while in use.';
    this.known.set(path, now);
    return undefined;
  }
}

function inodeOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}
