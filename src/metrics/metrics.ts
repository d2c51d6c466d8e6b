import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** OpenTelemetry's advice for HTTP server durations, seconds. */
const HTTP_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const RUN_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300];

/**
 * Every metric of the product, in one registry of its own (several gateways may live in one process, as in tests).
 * Labels come from closed sets: route templates, command names, outcome kinds, codes; never raw paths, keys or arguments.
 */
export class Metrics {
  readonly registry = new Registry();

  readonly httpRequests = this.counter('http_requests_total', 'Requests answered', ['method', 'route', 'status']);
  readonly httpDuration = this.histogram('http_request_duration_seconds', 'Time from the request to the end of its answer', HTTP_BUCKETS, [
    'method',
    'route',
  ]);
  readonly httpInFlight = this.gauge('http_requests_in_flight', 'Requests being answered');
  readonly errors = this.counter('errors_total', 'Problems answered, by code', ['code']);
  readonly authFailures = this.counter('auth_failures_total', 'Requests refused for their key', ['reason']);
  readonly connectionsRefused = this.counter('connections_refused_total', 'Connections closed because their address had too many');
  readonly rateLimited = this.counter('rate_limited_total', 'Requests refused by a rate limit', ['scope']);
  readonly runs = this.counter('runs_total', 'Runs that ended', ['command', 'outcome']);
  readonly runDuration = this.histogram('run_duration_seconds', 'Time from the start of a run to its end', RUN_BUCKETS, ['command']);
  readonly runsActive = this.gauge('runs_active', 'Runs that hold a slot');
  readonly runsQueued = this.gauge('runs_queued', 'Runs that wait for a slot');
  readonly runOutputBytes = this.counter('run_output_bytes_total', 'Bytes of output received from commands');
  readonly cacheRequests = this.counter('cache_requests_total', 'Look-ups of cacheable results', ['result']);
  readonly idempotentRequests = this.counter('idempotent_requests_total', 'Requests with an idempotency key', ['result']);
  readonly blockedCommands = this.counter('blocked_commands_total', 'Runs that the tripwire stopped, by rule', ['rule']);
  readonly approvals = this.counter('approvals_total', 'Runs that waited for approval, by what was decided', ['decision']);
  readonly retries = this.counter('retries_total', 'Attempts after the first', ['command']);
  readonly redactions = this.counter('redactions_total', 'Things masked in output', ['kind']);
  readonly auditEntries = this.counter('audit_entries_total', 'Entries appended to the audit log');
  readonly auditRequests = this.counter('audit_requests_total', 'Requests noted in the audit log that left no entry of their own');
  readonly auditCheckpoints = this.counter('audit_checkpoints_total', 'Signed checkpoints of the audit log');
  readonly auditAnchorFailures = this.counter('audit_anchor_failures_total', 'Checkpoints that an anchor did not keep', ['anchor']);
  readonly auditAppend = this.histogram(
    'audit_append_seconds',
    'Time until an audit entry was durable',
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
  );

  readonly configReloads = this.counter('config_reloads_total', 'Reloads of settings and catalogue', ['result']);
  readonly configLastReloadSuccess = this.gauge('config_last_reload_success', 'Whether the last reload succeeded, the start included');

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  private counter<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []): Counter<Label> {
    return new Counter({ name: `sallyport_${name}`, help, labelNames, registers: [this.registry] });
  }

  private gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []): Gauge<Label> {
    return new Gauge({ name: `sallyport_${name}`, help, labelNames, registers: [this.registry] });
  }

  private histogram<Label extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly Label[] = [],
  ): Histogram<Label> {
    return new Histogram({ name: `sallyport_${name}`, help, buckets, labelNames, registers: [this.registry] });
  }
}
