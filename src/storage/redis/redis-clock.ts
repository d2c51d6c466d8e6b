import type { Clock } from '../../domain/ports.js';

/** Much more than any clock drifts, in ms for each ms. */
const MOST_DRIFT = 0.001;

/** What time it is at Redis, by what its answers tell: never too early, and too late by the fastest of the round trips of late. */
export class RedisClock {
  private ahead: number | undefined;
  private learntAt = 0;

  constructor(private readonly clock: Clock) {}

  /**
   * @param then by our monotonic clock
   * @returns whole ms since 1970, by the clock of Redis; undefined when nothing is known of it
   */
  at(then: number): number | undefined {
    return this.ahead === undefined ? undefined : Math.ceil(then + this.ahead);
  }

  /**
   * @param told what it said, whole ms since 1970
   * @param askedAt before it said so, by our monotonic clock
   */
  learn(told: number, askedAt: number): void {
    const now = this.clock.monotonic();
    const drifted = this.ahead === undefined ? Infinity : this.ahead + (now - this.learntAt) * MOST_DRIFT;
    this.ahead = Math.min(told + 1 - askedAt, drifted);
    this.learntAt = now;
  }

  /** After a step of that clock, or where another Redis answers. */
  forget(): void {
    this.ahead = undefined;
  }
}
