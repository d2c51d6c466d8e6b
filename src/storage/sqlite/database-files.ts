import { statSync } from 'node:fs';

/**
 * Notices that the database was moved, deleted, replaced or cut under our hands: SQLite would go on writing into a file that
 * nobody finds again. The database never shrinks by our own doing.
 */
export class DatabaseFiles {
  private readonly known = new Map<string, { readonly inode: string; readonly size: number }>();

  constructor(private readonly file: string) {}

  /** What is wrong with the files, compared with the look before; undefined when nothing is. */
  fault(): string | undefined {
    return this.look(this.file, true) ?? this.look(`${this.file}-wal`, false);
  }

  private look(path: string, growsOnly: boolean): string | undefined {
    const before = this.known.get(path);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat) return before && 'The database was moved or deleted while in use.';
    const now = { inode: `${stat.dev}:${stat.ino}`, size: stat.size };
    if (before && before.inode !== now.inode) return 'The database was replaced while in use.';
    if (before && growsOnly && now.size < before.size) return 'The database was cut while in use.';
    this.known.set(path, now);
    return undefined;
  }
}
