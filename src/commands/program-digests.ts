import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { LRUCache } from 'lru-cache';

const MOST_KEPT = 500;

/** SHA-256 of programs, read anew when the file has changed as far as its inode tells. */
export class ProgramDigests {
  private readonly known = new LRUCache<string, string>({ max: MOST_KEPT });

  /** Hex; null when the file cannot be read, as a program that may be run but not read. */
  async of(file: string): Promise<string | null> {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
      const state = [file, dev, ino, size, mtimeNs, ctimeNs].join('\n');
      const known = this.known.get(state);
      if (known !== undefined) return known;
      const hash = createHash('sha256');
      await pipeline(createReadStream(file), hash);
      const digest = hash.digest('hex');
      this.known.set(state, digest);
      return digest;
    } catch (error) {
      if (error instanceof Error && 'code' in error) return null;
      throw error;
    }
  }
}
