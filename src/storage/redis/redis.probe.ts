import { GatewayError } from '../../domain/errors.js';
import { Probe, type ProbeKind, type RateCounter } from '../../domain/ports.js';

/** Any window: it is looked at, not spent from. */
const LOOKED_AT = { bucket: 'trial', rate: { count: 1, windowMs: 1_000 } } as const;

/** Whether rates are counted together with the other gateways. */
export class RedisProbe extends Probe {
  readonly name = 'redis';
  override readonly kind: ProbeKind = 'datastore';

  /** @param critical whether there is work that must not be done without */
  constructor(
    private readonly rates: RateCounter,
    override readonly critical: boolean,
  ) {
    super();
  }

  /** Asks: a Redis that hangs is not noticed by a gateway that nobody calls. */
  async check(): Promise<void> {
    await this.rates.peek(LOOKED_AT.bucket, LOOKED_AT.rate);
    const { fault } = this.rates;
    if (fault !== undefined)
      throw new GatewayError('counters_unavailable', `Redis is away (${fault}): rates are counted by this gateway alone.`);
  }
}
