import type { InjectionToken, Provider } from '@nestjs/common';
import type { Logger } from 'pino';
import { MemoryRateCounter } from './auth/memory-rate-counter.js';
import type { Settings } from './config/settings.schema.js';
import { Clock, RateCounter } from './domain/ports.js';
import { Metrics } from './metrics/metrics.js';
import { RedisConnection } from './storage/redis/redis-connection.js';
import { RedisRateCounter, type SharedRatesObserver } from './storage/redis/redis-rate-counter.js';
import { RedisProbe } from './storage/redis/redis.probe.js';

interface Ingredients {
  readonly settings: Settings;
  readonly logger: Logger;
}

/** Where rates are counted: in the memory of this process, or with `REDIS_URL` together with all gateways that have the same. */
export function rateCounting({ settings, logger }: Ingredients): Provider[] {
  const { REDIS_URL: address } = settings;
  if (!address) return [{ provide: RateCounter, inject: [Clock], useFactory: (clock: Clock) => new MemoryRateCounter(clock) }];
  const isStrict = () => settings.RATE_LIMIT_WITHOUT_REDIS === 'closed';
  return [
    {
      provide: RateCounter,
      inject: [Clock, Metrics],
      useFactory: (clock: Clock, metrics: Metrics) => {
        const rates: RateCounter = new RedisRateCounter({
          clock,
          open: (onEnd) => RedisConnection.open(address, onEnd),
          alone: new MemoryRateCounter(clock),
          isStrict,
          countsRequests: () => settings.RATE_LIMIT_ENABLED,
          observer: observeSharing(metrics, logger, isStrict()),
        });
        metrics.showEach(metrics.redisUp, () => [[{ use: 'rates' }, rates.fault === undefined ? 1 : 0]]);
        return rates;
      },
    },
    { provide: RedisProbe, inject: [RateCounter], useFactory: (rates: RateCounter) => new RedisProbe(rates, isStrict()) },
  ];
}

/** What health asks about it. */
export function rateProbes({ REDIS_URL }: Settings): InjectionToken[] {
  return REDIS_URL ? [RedisProbe] : [];
}

function observeSharing(metrics: Metrics, logger: Logger, isStrict: boolean): SharedRatesObserver {
  const meanwhile = isStrict ? 'runs are refused, admins’ excepted, and the rest is counted' : 'requests are counted';
  return {
    changed: (reason) => {
      if (reason === undefined) logger.info('Redis answers: rates are counted by all gateways together');
      else logger.warn({ reason }, `Redis is away: until it is back ${meanwhile} by this gateway alone`);
    },
    countedAlone: () => metrics.rateLimitCountedAlone.inc(),
  };
}
