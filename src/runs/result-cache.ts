import { LRUCache } from 'lru-cache';
import type { Command, Preparation } from '../domain/command.js';
import type { Principal } from '../domain/principal.js';
import type { OutputChunk, RunOutcome } from '../domain/run.js';

export interface CachedResult {
  readonly outcome: RunOutcome;
  readonly output: readonly OutputChunk[];
  readonly redactions: number;
  readonly truncated: boolean;
}

/** Results of commands that declare `cache`. Only successes; never shared between callers of different rights. */
export class ResultCache {
  private readonly results: LRUCache<string, CachedResult>;

  constructor(limitBytes: number) {
    this.results = new LRUCache({ maxSize: Math.max(1, limitBytes), sizeCalculation: sizeOf });
  }

  get(key: string): CachedResult | undefined {
    return this.results.get(key);
  }

  clear(): void {
    this.results.clear();
  }

  put(key: string, result: CachedResult, ttlMs: number): void {
    if (result.outcome.kind === 'exited' && result.outcome.code === 0) this.results.set(key, result, { ttl: ttlMs });
  }
}

/** Same declaration, same arguments, same rights: same key. */
export function cacheKey(command: Command, preparation: Preparation, principal: Principal): string {
  return [command.version, preparation.argsDigest, principal.role, ...[...principal.scopes].sort()].join('\n');
}

function sizeOf({ output }: CachedResult): number {
  return output.reduce((bytes, { data }) => bytes + 2 * data.length + 64, 256);
}
