import { PassingMap } from '../domain/passing-map.js';
import type { CachedResult } from './result-cache.js';

/** How a run ended for those who wait along: with a result that they may have, without one, or before it could come to one. */
export type Landing = CachedResult | 'failed' | 'cancelled';

/** A run under way that others with the same call may wait for. */
export class Flight {
  private readonly end = Promise.withResolvers<Landing>();
  /** When it began, on the monotonic clock; undefined while it waits itself. */
  startedAt: number | undefined;
  followers = 0;

  constructor(private readonly onLanding: (flight: Flight) => void) {}

  get landing(): Promise<Landing> {
    return this.end.promise;
  }

  /** The first landing counts. */
  land(landing: Landing): void {
    this.onLanding(this);
    this.end.resolve(landing);
  }
}

/** Runs under way, by the key of their result. */
export class Flights {
  private readonly byKey = new PassingMap<string, Flight>();
  private followers = 0;

  /** @param mostFollowers asked for each time: so many may wait, over all flights */
  constructor(private readonly mostFollowers: () => number) {}

  /** That of the key, to wait for, or a new one for others to find; undefined when too many wait already. */
  joinOrBegin(key: string): { readonly joined: Flight } | { readonly begun: Flight } | undefined {
    const known = this.byKey.get(key);
    if (!known) return { begun: this.begin(key) };
    if (this.followers >= this.mostFollowers()) return undefined;
    known.followers++;
    this.followers++;
    return { joined: known };
  }

  private begin(key: string): Flight {
    const flight = new Flight((landed) => {
      if (this.byKey.get(key) !== landed) return;
      this.byKey.delete(key);
      this.followers -= landed.followers;
    });
    this.byKey.set(key, flight);
    return flight;
  }
}
