import type { Db, Write } from '../domain/db.js';
import { GatewayError } from '../domain/errors.js';

/** Between two attempts. The store tries itself as often. */
const RETRY_MS = 1_000;
/** Room for what waits. Only while the store comes and goes can it fill up: when it is away no new run begins. */
const MOST_ENDS = 1_000;
const MOST_CHARACTERS = 64 * 1024 ** 2;

interface Waiting {
  readonly writes: readonly Write[];
  readonly characters: number;
  recorded(): void;
}

/**
 * Ends of runs that the store did not take, kept in memory until it does: a run that has ended is not called lost while its gateway
 * lives. What is left when the gateway goes is closed as lost by the next one.
 */
export class OutcomeBacklog {
  private waiting: Waiting[] = [];
  private timer: NodeJS.Timeout | undefined;
  private recorded = 0;
  private closed = false;

  /** @param onEmpty called when nothing waits any more, with the number of ends that had to wait */
  constructor(
    private readonly db: Db,
    private readonly onEmpty: (recorded: number) => void = () => undefined,
  ) {}

  /** How many ends wait. */
  get size(): number {
    return this.waiting.length;
  }

  /** Whether so many wait that no new run may begin. */
  get full(): boolean {
    return this.size >= MOST_ENDS || this.waiting.reduce((sum, { characters }) => sum + characters, 0) >= MOST_CHARACTERS;
  }

  /** Resolves when the writes, which end one run, are durable: by this commit or by an earlier one that was in doubt. */
  record(writes: readonly Write[]): Promise<void> {
    return new Promise((recorded) => {
      this.waiting.push({ writes, characters: charactersOf(writes), recorded });
      this.schedule();
    });
  }

  /** A last attempt; afterwards nothing is tried any more. May be called again. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.attempt(this.waiting);
  }

  private schedule(): void {
    if (this.closed || this.size === 0) return;
    this.timer ??= setTimeout(() => void this.tryAgain(), RETRY_MS).unref();
  }

  /** One goes ahead and finds out; the others follow only where it came through. */
  private async tryAgain(): Promise<void> {
    const [scout, ...others] = this.waiting;
    if (scout && (await this.attempt([scout]))) await this.attempt(others);
    this.timer = undefined;
    this.schedule();
  }

  /** Says whether all of them are recorded now. */
  private async attempt(ends: readonly Waiting[]): Promise<boolean> {
    const results = await Promise.all(ends.map((end) => this.commit(end)));
    const done = new Set(ends.filter((_, place) => results[place]));
    this.waiting = this.waiting.filter((end) => !done.has(end));
    for (const { recorded } of done) recorded();
    this.recorded += done.size;
    if (this.size === 0 && this.recorded > 0) this.onEmpty(this.recorded);
    if (this.size === 0) this.recorded = 0;
    return done.size === ends.length;
  }

  private async commit({ writes }: Waiting): Promise<boolean> {
    try {
      await this.db.commit(writes);
      return true;
    } catch (error) {
      // The run has ended in the store, or was never in it: there is nothing left to record.
      if (error instanceof GatewayError && error.code === 'conflict') return true;
      if (error instanceof GatewayError) return false;
      throw error;
    }
  }
}

function charactersOf(writes: readonly Write[]): number {
  return writes.flatMap((write) => (write.kind === 'run.finish' ? write.output : [])).reduce((sum, { data }) => sum + data.length, 0);
}
