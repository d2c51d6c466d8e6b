import type { Provider } from '@nestjs/common';
import type { Logger } from 'pino';
import { Catalogue } from './commands/catalogue.js';
import { Clock, EventBus } from './domain/ports.js';
import type { BreakerTransition } from './domain/resilience.js';
import { Metrics } from './metrics/metrics.js';
import { BreakerProbe } from './resilience/breaker.probe.js';
import { Resilience } from './resilience/resilience.js';

/** Retries and breakers, told about where it matters. */
export function resilienceProviders(logger: Logger): Provider[] {
  return [
    {
      provide: Resilience,
      inject: [Catalogue, Clock, Metrics, EventBus],
      useFactory: (...[catalogue, clock, metrics, events]: [Catalogue, Clock, Metrics, EventBus]) =>
        new Resilience({
          clock,
          declared: () => catalogue.all().flatMap(({ breaker }) => breaker ?? []),
          onTransition: tellTransition(metrics, events, logger),
        }),
    },
    { provide: BreakerProbe, inject: [Resilience], useFactory: ({ breakers }: Resilience) => new BreakerProbe(breakers) },
  ];
}

/** Told of each change of a breaker: counts it, logs it and announces it. */
function tellTransition(metrics: Metrics, events: EventBus, logger: Logger): (transition: BreakerTransition) => void {
  return (transition) => {
    const { name, from, to } = transition;
    metrics.breakerTransitions.inc({ name, to });
    if (to === 'open')
      logger.warn({ breaker: name, from, to }, 'a circuit breaker opened: what it guards failed repeatedly and is left alone');
    else logger.info({ breaker: name, from, to }, 'a circuit breaker changed its state');
    events.publish('breaker.changed', transition);
  };
}
