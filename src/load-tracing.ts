import { hostname } from 'node:os';
import type { Provider } from '@nestjs/common';
import type { Logger } from 'pino';
import type { Settings } from './config/settings.schema.js';
import { VERSION } from './config/version.js';
import { NO_TRACER, Tracer } from './domain/tracing.js';
import { Metrics } from './metrics/metrics.js';
import { Redaction } from './redaction/redaction.js';
import { observeTraces } from './state-metrics.js';
import { OtlpTracer } from './tracing/otlp-tracer.js';
import { samplerOf } from './tracing/sampler.js';

/** What traces are followed with, by the settings: nothing at all without a collector. */
export function traces({ settings, logger }: { readonly settings: Settings; readonly logger: Logger }): Provider {
  return {
    provide: Tracer,
    inject: [Metrics, Redaction],
    useFactory: (metrics: Metrics, redaction: Redaction): Tracer => {
      const endpoint = settings.OTEL_EXPORTER_OTLP_ENDPOINT;
      if (endpoint === undefined) return NO_TRACER;
      return new OtlpTracer({
        url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
        headers: settings.OTEL_EXPORTER_OTLP_HEADERS ?? {},
        protocol: settings.OTEL_EXPORTER_OTLP_PROTOCOL,
        sampler: samplerOf(settings.OTEL_TRACES_SAMPLER, settings.OTEL_TRACES_SAMPLER_ARG),
        resource: resourceOf(settings),
        redaction,
        fate: observeTraces(metrics, logger),
      });
    },
  };
}

/** What an operator says of it goes first, the name alone has a variable of its own. */
function resourceOf({ OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, ENVIRONMENT }: Settings): Readonly<Record<string, string>> {
  return {
    'service.version': VERSION,
    'deployment.environment.name': ENVIRONMENT,
    'host.name': hostname(),
    'service.name': 'sallyport',
    ...OTEL_RESOURCE_ATTRIBUTES,
    ...(OTEL_SERVICE_NAME === undefined ? {} : { 'service.name': OTEL_SERVICE_NAME }),
  };
}
