import { Clock } from '../../src/domain/ports.js';

/** Time that moves only when told; both clocks move together. */
export class ManualClock extends Clock {
  private elapsed = 0;

  constructor(private readonly start = '2026-01-01T00:00:00.000Z') {
    super();
  }

  now(): string {
    return new Date(Date.parse(this.start) + this.elapsed).toISOString();
  }

  monotonic(): number {
    return this.elapsed;
  }

  advance(milliseconds: number): void {
    this.elapsed += milliseconds;
  }
}
