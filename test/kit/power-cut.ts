import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { TraceEvent } from './trace.js';

/** What a file system may do with what was not synced when the power goes. */
export interface Fate {
  /** Whether this name is as it was last, and not as it was when its folder was last synced. */
  readonly keepsName: () => boolean;
  /** Whether these bytes (or this new length) made it. */
  readonly keepsBytes: () => boolean;
}

/** Only what was synced is left. */
export const NOTHING_MORE: Fate = { keepsName: () => false, keepsBytes: () => false };

/** Disks write whole sectors. */
const SECTOR = 512;

type Change =
  { readonly kind: 'write'; readonly offset: number; readonly bytes: Buffer } | { readonly kind: 'size'; readonly size: number };

/** A file or a folder: what of it is on the disk, and what was done to it since. */
class Inode {
  synced: Buffer = Buffer.alloc(0);
  changes: Change[] = [];
  size = 0;

  note(change: Change): void {
    this.changes.push(change);
    this.size = change.kind === 'size' ? change.size : Math.max(this.size, change.offset + change.bytes.length);
  }

  sync(): void {
    this.synced = this.after({ keepsName: () => true, keepsBytes: () => true });
    this.changes = [];
  }

  /** Its content after the cut. */
  after({ keepsBytes }: Pick<Fate, 'keepsBytes'> & Partial<Fate>): Buffer {
    const content = new Content(this.synced);
    for (const change of this.changes) {
      if (change.kind === 'size') {
        if (keepsBytes()) content.resize(change.size);
      } else for (const [offset, bytes] of sectors(change)) if (keepsBytes()) content.write(offset, bytes);
    }
    return content.bytes();
  }
}

/** Bytes that grow. */
class Content {
  private room: Buffer;
  private length: number;

  constructor(start: Buffer) {
    this.room = Buffer.from(start);
    this.length = start.length;
  }

  write(offset: number, bytes: Buffer): void {
    if (offset + bytes.length > this.length) this.resize(offset + bytes.length);
    bytes.copy(this.room, offset);
  }

  resize(length: number): void {
    if (length > this.room.length) this.room = Buffer.concat([this.room.subarray(0, this.length), Buffer.alloc(length * 2 - this.length)]);
    if (length < this.length) this.room.fill(0, length, this.length);
    this.length = length;
  }

  bytes(): Buffer {
    return Buffer.from(this.room.subarray(0, this.length));
  }
}

/**
 * A disk as POSIX promises it and no better: bytes are safe once their file was synced, names once their folder was. The index that
 * SQLite shares between processes (`-shm`) is memory, not disk.
 */
export class Disk {
  private readonly names = new Map<string, Inode>();
  private readonly syncedNames = new Map<string, Inode>();

  /** @param folder was there before, and safe */
  constructor(private readonly folder: string) {}

  apply(event: TraceEvent): void {
    switch (event.kind) {
      case 'created':
        if (!this.names.has(event.path)) this.names.set(event.path, new Inode());
        return;
      case 'written':
        return this.change(event.path, (inode) => ({
          kind: 'write',
          offset: Number.isNaN(event.offset) ? inode.size : event.offset,
          bytes: event.bytes,
        }));
      case 'truncated':
        return this.change(event.path, () => ({ kind: 'size', size: event.size }));
      case 'synced':
        return this.sync(event.path);
      case 'unlinked':
        return void this.names.delete(event.path);
      case 'renamed':
        this.link(event.path, event.to);
        return void this.names.delete(event.path);
      case 'linked':
        return this.link(event.path, event.to);
      case 'sent':
      case 'executed':
    }
  }

  /** Puts what is left into a folder: the content of `from`, a folder of this disk. */
  restore(from: string, into: string, fate: Fate): void {
    rmSync(into, { recursive: true, force: true });
    mkdirSync(into);
    const names = new Map(
      [...new Set([...this.names.keys(), ...this.syncedNames.keys()])].map((path) => {
        const last = fate.keepsName() ? this.names : this.syncedNames;
        return [path, last.get(path)];
      }),
    );
    for (const [path, inode] of names)
      if (inode && dirname(path) === from && this.isReachable(from, names) && !path.endsWith('-shm'))
        writeFileSync(join(into, basename(path)), inode.after(fate), { mode: 0o600 });
  }

  private isReachable(folder: string, names: ReadonlyMap<string, Inode | undefined>): boolean {
    return folder === this.folder || (names.get(folder) !== undefined && this.isReachable(dirname(folder), names));
  }

  private change(path: string, make: (inode: Inode) => Change): void {
    const inode = this.names.get(path);
    // It has no name any more: whatever is written there is lost anyway.
    if (inode) inode.note(make(inode));
  }

  private link(path: string, to: string): void {
    const inode = this.names.get(path);
    if (!inode) throw new Error(`${path} is not there`);
    this.names.set(to, inode);
  }

  private sync(path: string): void {
    this.names.get(path)?.sync();
    for (const name of [...this.syncedNames.keys()]) if (dirname(name) === path && !this.names.has(name)) this.syncedNames.delete(name);
    for (const [name, inode] of this.names) if (dirname(name) === path) this.syncedNames.set(name, inode);
  }
}

/** A write as the sectors it consists of. */
function* sectors({ offset, bytes }: Extract<Change, { kind: 'write' }>): Generator<[number, Buffer]> {
  for (let start = 0; start < bytes.length;) {
    const end = Math.min(bytes.length, (Math.floor((offset + start) / SECTOR) + 1) * SECTOR - offset);
    yield [offset + start, bytes.subarray(start, end)];
    start = end;
  }
}
