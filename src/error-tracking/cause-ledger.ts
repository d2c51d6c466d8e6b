import { LRUCache } from 'lru-cache';
import type { Failure, FailureName } from '../domain/error-tracker.js';

/** The same cause again within this time is only counted. */
const QUIET_MS = 10 * 60 * 1000;
const MOST_CAUSES = 500;
/** Reports in a minute, whatever their causes. */
const MOST_A_MINUTE = 30;
const MINUTE_MS = 60_000;

interface Known {
  reportedAt: number;
  /** Since then. */
  repeats: number;
}

/** Decides which failures are told: each cause once, then again only after a while, with how often it came meanwhile. */
export class CauseLedger {
  private readonly known = new LRUCache<string, Known>({ max: MOST_CAUSES });
  private minute = { begunAt: -Infinity, reports: 0 };

  /** How often the same was kept back since it was last told; undefined when this one is kept back as well. */
  admit(cause: string, now: number): number | undefined {
    const known = this.known.get(cause);
    const repeats = known?.repeats ?? 0;
    if ((known && now - known.reportedAt < QUIET_MS) || !this.hasRoom(now)) {
      if (known) known.repeats += 1;
      return undefined;
    }
    this.minute.reports += 1;
    this.known.set(cause, { reportedAt: now, repeats: 0 });
    return repeats;
  }

  private hasRoom(now: number): boolean {
    if (now - this.minute.begunAt >= MINUTE_MS) this.minute = { begunAt: now, reports: 0 };
    return this.minute.reports < MOST_A_MINUTE;
  }
}

/** What has as many causes as there are bugs; the others are one cause each. */
const MANIFOLD: readonly FailureName[] = ['internal', 'unhandled'];

/** Failures of one cause: of one name, and for bugs of one type from one place in the code. */
export function causeOf({ name, error }: Failure): string {
  if (!MANIFOLD.includes(name) || !(error instanceof Error)) return name;
  const root = rootOf(error);
  return `${name} ${root.name} ${/\n\s+at (.+)/.exec(root.stack ?? '')?.[1] ?? ''}`;
}

/** What an error was made from. */
export function rootOf(error: Error): Error {
  let root = error;
  for (let depth = 0; depth < 10 && root.cause instanceof Error; depth += 1) root = root.cause;
  return root;
}
