import { Clock } from '../domain/ports.js';

export class SystemClock extends Clock {
  now(): string {
    return new Date().toISOString();
  }

  monotonic(): number {
    return performance.now();
  }
}
