import type { Clock } from '../domain/ports.js';
import { type OwnEnd, type RunOutcome, type StaleFallback, statusOf } from '../domain/run.js';
import type { Metrics } from '../metrics/metrics.js';
import { cacheKey } from './cache-key.js';
import { type Flight, Flights, type Landing } from './flights.js';
import type { CachedResult, ResultCache } from './result-cache.js';
import type { RunWalk } from './run-walk.js';

/** What became of the look-ups of cacheable results. `joined`: that of a run under way was waited for. */
export const CACHE_REQUESTS = ['hit', 'miss', 'joined', 'bypassed'] as const;

/** Refusals that say that the command cannot be carried out at the moment. */
const UNAVAILABLE: ReadonlySet<string> = new Set(['breaker_open', 'busy', 'executor_unavailable']);

interface SharingRooms {
  readonly cache: ResultCache;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Runs that may wait for others, all together. */
  readonly mostFollowers: () => number;
}

type Finished = Pick<RunWalk, 'command' | 'outcome' | 'live' | 'redactions' | 'cached' | 'truncated'>;

/** A result for more than one run: from the cache, of a run under way, or an old one where there is no new one. */
export class ResultSharing {
  private readonly flights: Flights;

  constructor(private readonly rooms: SharingRooms) {
    this.flights = new Flights(rooms.mostFollowers);
  }

  /**
   * Finds a result, or a run under way to wait for; else this run is the one that others find.
   * @param mayJoin whether it is worth waiting for another
   */
  look(walk: RunWalk, mayJoin: boolean): void {
    const { command, preparation, origin } = walk;
    const key = cacheKey(command, preparation, origin.principal);
    walk.cacheKey = key;
    if (origin.caching) return this.count('bypassed');
    walk.cached = this.rooms.cache.get(key, command);
    if (walk.cached) this.count('hit');
    else if (mayJoin) this.joinOrLead(walk, key);
    else this.count('miss');
  }

  /** Waits for the run that the walk has joined. False: it has to be carried out after all. */
  async join(walk: RunWalk): Promise<boolean> {
    for (let { joined } = walk; joined; joined = walk.joined) {
      walk.joined = undefined;
      const joinedAt = this.rooms.clock.monotonic();
      const landing = await landingOf(joined, walk.live.signal);
      if (landing === undefined) return true;
      if (joined.startedAt !== undefined) walk.waitedMs += this.rooms.clock.monotonic() - Math.max(joinedAt, joined.startedAt);
      if (typeof landing === 'object') {
        walk.cached = landing;
        this.count('joined');
        return true;
      }
      if (landing === 'cancelled') this.joinOrLead(walk, walk.cacheKey ?? '');
      else this.count('miss');
    }
    return false;
  }

  /** Gives the result to those who wait for it. */
  land(walk: RunWalk): void {
    walk.flight?.land(this.resultOf(walk) ?? (walk.outcome.kind === 'cancelled' ? 'cancelled' : 'failed'));
  }

  /** Remembers the result. */
  keep(walk: RunWalk): void {
    const { command, cacheKey: key, origin } = walk;
    if (key === undefined || origin.caching === 'no-store') return;
    const result = this.resultOf(walk);
    if (result) this.rooms.cache.put(key, result, command.cacheMs ?? 0);
  }

  /** Gives the last result that there was in place of a failure, if the command wants that. */
  fallBack(walk: RunWalk): void {
    const { command, outcome, cacheKey: key } = walk;
    const insteadOf = failureOf(outcome);
    const last = insteadOf && key !== undefined && command.fallback ? this.rooms.cache.getStale(key) : undefined;
    if (!last || !insteadOf) {
      walk.keptBack?.release();
      return;
    }
    const ageMs = Math.round(this.rooms.clock.monotonic() - last.storedAt);
    adopt(walk, { ...last, outcome: { ...last.outcome, fallback: { ageMs, insteadOf } } });
    walk.refusal = undefined;
  }

  private joinOrLead(walk: RunWalk, key: string): void {
    const found = this.flights.joinOrBegin(key);
    if (found && 'joined' in found) walk.joined = found.joined;
    else {
      walk.flight = found?.begun;
      this.count('miss');
    }
  }

  /** Only of a run that was carried out, ended well and is whole. */
  private resultOf({ command, outcome, live, redactions, cached, truncated }: Finished): CachedResult | undefined {
    if (cached || truncated || !isSuccess(outcome)) return undefined;
    return { command: command.name, outcome, output: live.output, redactions, storedAt: this.rooms.clock.monotonic() };
  }

  private count(result: (typeof CACHE_REQUESTS)[number]): void {
    this.rooms.metrics.cacheRequests.inc({ result });
  }
}

/** The walk ends with this result. */
export function adopt(walk: RunWalk, result: CachedResult): void {
  walk.live.adopt(result.output);
  walk.cached = result;
  walk.outcome = result.outcome;
  walk.redactions = result.redactions;
  walk.truncated = false;
}

function isSuccess(outcome: RunOutcome): outcome is OwnEnd {
  return statusOf(outcome) === 'succeeded';
}

/** What failed; undefined for what did not, or was ended or refused for a reason that is the caller's or ours. */
function failureOf(outcome: RunOutcome): StaleFallback['insteadOf'] | undefined {
  if (isSuccess(outcome) || outcome.kind === 'cancelled') return undefined;
  return outcome.kind !== 'rejected' || UNAVAILABLE.has(outcome.reason) ? outcome.kind : undefined;
}

/** Undefined when `signal` aborts before. */
function landingOf(flight: Flight, signal: AbortSignal): Promise<Landing | undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  const { promise, resolve } = Promise.withResolvers<Landing | undefined>();
  const leave = () => resolve(undefined);
  signal.addEventListener('abort', leave, { once: true });
  return Promise.race([flight.landing, promise]).finally(() => signal.removeEventListener('abort', leave));
}
