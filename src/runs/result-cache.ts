import { LRUCache } from 'lru-cache';
import type { Command, CommandName } from '../domain/command.js';
import type { Clock } from '../domain/ports.js';
import type { OutputChunk, OwnEnd } from '../domain/run.js';

export interface CachedResult {
  readonly command: CommandName;
  readonly outcome: OwnEnd;
  readonly output: readonly OutputChunk[];
  readonly redactions: number;
  /** On the monotonic clock. */
  readonly storedAt: number;
}

/** One result takes no more than this part of the room. */
const LARGEST_PART = 4;

/**
 * Results of commands that declare `cache`, as many as there is room for: what was not asked for the longest goes first. Time is the
 * monotonic clock's.
 */
export class ResultCache {
  private readonly results: LRUCache<string, CachedResult>;

  constructor(limitBytes: number, clock: Clock) {
    const maxSize = Math.max(1, limitBytes);
    this.results = new LRUCache({
      maxSize,
      maxEntrySize: Math.ceil(maxSize / LARGEST_PART),
      sizeCalculation: sizeOf,
      ttlResolution: 0,
      // It takes a start of 0 for none.
      perf: { now: () => clock.monotonic() + 1 },
    });
  }

  /** Bytes that the results take. */
  get size(): number {
    return this.results.calculatedSize;
  }

  /** One that is not too old. */
  get(key: string, { fallback }: Pick<Command, 'fallback'>): CachedResult | undefined {
    return this.results.get(key, { noDeleteOnStaleGet: fallback === 'stale' });
  }

  /** The last one, however old. */
  getStale(key: string): CachedResult | undefined {
    return this.results.get(key, { allowStale: true, noDeleteOnStaleGet: true });
  }

  put(key: string, result: CachedResult, ttlMs: number): void {
    this.results.set(key, result, { ttl: ttlMs });
  }

  /** Those of commands that are no longer what they were. */
  forget(commands: ReadonlySet<CommandName>): void {
    for (const key of [...this.results.keys()]) {
      const result = this.results.peek(key, { allowStale: true });
      if (result && commands.has(result.command)) this.results.delete(key);
    }
  }
}

/** The key is a digest of fixed length. */
function sizeOf({ output }: CachedResult): number {
  return output.reduce((bytes, { data }) => bytes + 2 * data.length + 64, 512);
}
