import { type Measurement, Probe } from '../domain/ports.js';
import type { Breakers } from './breakers.js';

/** An open breaker: the gateway serves, but not all of it. */
export class BreakerProbe extends Probe {
  override readonly name = 'breakers';
  override readonly critical = false;

  constructor(private readonly breakers: Breakers) {
    super();
  }

  async check(): Promise<readonly Measurement[]> {
    return this.breakers.all().map((breaker) => {
      const { name: of } = breaker.policy;
      const value = breaker.look().kind;
      return {
        name: 'state',
        of,
        value,
        ...(value === 'open' ? { warning: `The breaker ${of} is open: runs of its commands are refused.` } : {}),
      };
    });
  }
}
