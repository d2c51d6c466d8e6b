import { Counter, Gauge, Histogram, type LabelValues, type Metric } from 'prom-client';
import { EventLoopLag } from './event-loop-lag.js';
import { type Exposition, expose, openRegistry } from './exposition.js';
import { measureProcess } from './process-metrics.js';

/** OpenTelemetry's advice for HTTP server durations, seconds. */
const HTTP_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const RUN_BUCKETS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300];

/** A gauge's value with its labels. */
export type Shown<Label extends string> = readonly [labels: Readonly<Record<Label, string>>, value: number];

/**
 * Every metric of the product, in one registry of its own (several gateways may live in one process, as in tests).
 * Labels come from closed sets: route templates, command names, outcome kinds, codes; never raw paths, keys or arguments.
 * Measuring never fails whoever measures: what goes wrong is counted in `metrics_failures_total`.
 */
export class Metrics {
  /** Of the kind whose metrics may have exemplars. */
  readonly registry = openRegistry();
  private readonly failures = new Counter({
    name: 'sallyport_metrics_failures_total',
    help: 'Measurements that failed, and metrics left out of a scrape',
    registers: [this.registry],
  });
  readonly loop = new EventLoopLag();
  private isFirstFailure = true;
  private readonly preparations: (() => void)[] = [];

  readonly httpRequests = this.counter('http_requests_total', 'Requests answered', ['method', 'route', 'status']);
  readonly httpDuration = this.timing('http_request_duration_seconds', 'Time from the request to the end of its answer', HTTP_BUCKETS, [
    'method',
    'route',
  ]);
  readonly httpInFlight = this.gauge('http_requests_in_flight', 'Requests being answered');
  readonly errors = this.counter('errors_total', 'Problems answered, by code', ['code']);
  readonly authFailures = this.counter('auth_failures_total', 'Requests refused for their key', ['reason']);
  readonly connectionsRefused = this.counter('connections_refused_total', 'Connections closed because their address had too many');
  readonly rateLimitCountedAlone = this.counter(
    'rate_limit_counted_alone_total',
    'Requests counted by this gateway alone, because Redis was away',
  );
  readonly redisUp = this.gauge('redis_up', 'Whether Redis answers (1) or not (0); absent without REDIS_URL', ['use']);
  readonly rateLimited = this.counter('rate_limited_total', 'Requests refused by a rate limit', ['scope']);
  readonly runs = this.counter('runs_total', 'Runs that ended', ['command', 'outcome']);
  readonly runDuration = this.timing('run_duration_seconds', 'Time from the start of a run to its end', RUN_BUCKETS, ['command']);
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

  readonly runsFailed = this.counter('runs_failed_total', 'Runs that ended with another exit code than 0, or could not be started', [
    'command',
  ]);
  readonly runQueueTime = this.histogram('run_queue_seconds', 'Time from the acceptance of a run to its start', RUN_BUCKETS);
  readonly runsLongestWait = this.gauge('runs_longest_wait_seconds', 'How long the run waits that waits longest; 0 when none does');
  readonly runsLimit = this.gauge('runs_limit', 'Runs that may hold a slot at one time');
  readonly runsQueueLimit = this.gauge('runs_queue_limit', 'Runs that may wait for a slot');
  readonly runEndsWaiting = this.gauge('run_ends_waiting', 'Ended runs whose end the store has not taken yet');
  readonly agentsActive = this.gauge('agents_active', 'Agents that take instructions', ['command']);
  readonly agentSessions = this.counter('agent_sessions_total', 'Programs of agents that ended', ['command', 'outcome']);
  readonly agentInstructions = this.counter('agent_instructions_total', 'Instructions to agents that ended', ['command', 'outcome']);
  readonly agentMalformedLines = this.counter('agent_malformed_lines_total', 'Lines of agents that are not what their framing says', [
    'command',
  ]);
  readonly breakerState = this.gauge('breaker_state', 'State of a circuit breaker: 0 closed, 1 half open, 2 open', ['name']);
  readonly breakerTransitions = this.counter('breaker_transitions_total', 'Changes of state of a circuit breaker', ['name', 'to']);
  readonly serviceHealthy = this.gauge('service_healthy', 'Whether a service is well (1) or failing (0), as /ready finds it', ['service']);
  readonly draining = this.gauge('draining', '1 while the gateway shuts down');
  readonly storageCommits = this.counter('storage_commits_total', 'Commits that the store was given');
  readonly storageTransactions = this.counter(
    'storage_transactions_total',
    'Transactions, each one fsync, that commits were carried out in',
  );
  readonly storageWaiting = this.gauge('storage_commits_waiting', 'Commits that the store has not carried out yet');
  readonly diskFree = this.gauge('disk_free_bytes', 'Room left for the gateway where DATA_DIR lies');
  readonly diskSize = this.gauge('disk_size_bytes', 'Size of the disk where DATA_DIR lies');
  readonly memoryAvailable = this.gauge('memory_available_bytes', 'Memory that the gateway and its programs may still take');
  readonly memoryLimit = this.gauge('memory_limit_bytes', 'Memory of the host, or of the container where that is less');
  readonly heapLimit = this.gauge('heap_limit_bytes', 'Size at which the heap of the gateway is full and the process ends');
  readonly executorHosts = this.gauge('executor_hosts', 'Processes that start programs');
  readonly executorHostsLost = this.counter('executor_hosts_lost_total', 'Executor hosts that went away unasked');
  readonly sandboxesKept = this.gauge('sandboxes_kept', 'Sandboxes kept for commands that run often');
  readonly sandboxContained = this.gauge('sandbox_contained', 'Whether programs of a profile are contained (1) or not (0)', ['profile']);
  readonly catalogueCommands = this.gauge('catalogue_commands', 'Commands in the catalogue');
  readonly catalogueLoaded = this.gauge('catalogue_loaded_timestamp_seconds', 'When the catalogue was loaded, in seconds since 1970');
  readonly logWritable = this.gauge('log_writable', 'Whether a log can be written (1) or not (0)', ['log']);
  readonly logLinesLost = this.counter('log_lines_lost_total', 'Lines of logs that could not be written and are gone');
  readonly buildInfo = this.gauge('build_info', 'Always 1; the version is a label', ['version']);

  readonly llmRequests = this.counter('llm_requests_total', 'Calls of language models, by how they ended', [
    'provider',
    'model',
    'outcome',
  ]);
  readonly llmTokens = this.counter('llm_tokens_total', 'Tokens that language models read (input) and wrote (output)', [
    'provider',
    'model',
    'kind',
  ]);
  readonly llmCost = this.counter('llm_cost_total', 'Cost of calls of language models, by the prices in the settings', [
    'provider',
    'model',
  ]);

  readonly traceSpansExported = this.counter('trace_spans_exported_total', 'Spans that the trace collector took');
  readonly traceSpansDropped = this.counter('trace_spans_dropped_total', 'Spans that were not exported, by why', ['reason']);
  readonly configReloads = this.counter('config_reloads_total', 'Reloads of settings and catalogue', ['result']);
  readonly configLastReloadSuccess = this.gauge('config_last_reload_success', 'Whether the last reload succeeded, the start included');

  readonly certificateExpiry = this.gauge(
    'tls_certificate_expiry_timestamp_seconds',
    'When the certificate in use ends, in seconds since 1970; absent without one',
    ['setting'],
  );

  /** @param onFirstFailure told once: the counter says how many follow */
  constructor(private readonly onFirstFailure: (error: unknown) => void = () => undefined) {
    measureProcess(this.registry);
    this.loop.register(this.registry);
  }

  /** Ends what measures by itself. */
  stop(): void {
    this.loop.stop();
  }

  /** All of them, as `GET /metrics` answers. */
  expose(exposition: Exposition): Promise<string> {
    for (const prepare of this.preparations) this.attempt(prepare);
    return expose(this.registry, exposition, (error) => this.failed(error));
  }

  /** Called before each scrape. */
  beforeScrape(prepare: () => void): void {
    this.preparations.push(prepare);
  }

  /** Measures; what goes wrong is counted. */
  attempt(measure: () => void): void {
    try {
      measure();
    } catch (error) {
      this.failed(error);
    }
  }

  /** @param exemplar whom this measurement is of: the last one of each bucket is shown to whoever takes OpenMetrics */
  time<Label extends string>(
    histogram: Histogram<Label>,
    labels: LabelValues<Label>,
    seconds: number,
    exemplar: Readonly<Record<string, string>>,
  ): void {
    histogram.observe({ labels, value: seconds, exemplarLabels: exemplar as LabelValues<Label> });
  }

  /** The gauge shows what `read` finds at each scrape. */
  show(gauge: Gauge, read: () => number | Promise<number>): void {
    Object.assign(gauge, { collect: async () => gauge.set(await read()) });
  }

  /** The same for a gauge with labels: all of its series are replaced. */
  showEach<Label extends string>(gauge: Gauge<Label>, read: () => readonly Shown<Label>[] | Promise<readonly Shown<Label>[]>): void {
    const collect = async (): Promise<void> => {
      const shown = await read();
      gauge.reset();
      for (const [labels, value] of shown) gauge.set({ ...labels }, value);
    };
    Object.assign(gauge, { collect });
  }

  /** The counter shows at each scrape what somebody else has counted since the start. */
  showCount(counter: Counter, read: () => number): void {
    const collect = (): void => {
      const total = read();
      counter.reset();
      counter.inc(total);
    };
    Object.assign(counter, { collect });
  }

  private failed(error: unknown): void {
    this.failures.inc();
    if (this.isFirstFailure) this.onFirstFailure(error);
    this.isFirstFailure = false;
  }

  private counter<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []): Counter<Label> {
    return this.unfailing(new Counter({ name: `sallyport_${name}`, help, labelNames, registers: [this.registry] }), ['inc']);
  }

  private gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[] = []): Gauge<Label> {
    return this.unfailing(new Gauge({ name: `sallyport_${name}`, help, labelNames, registers: [this.registry] }), ['inc', 'dec', 'set']);
  }

  private histogram(name: string, help: string, buckets: number[]): Histogram {
    return this.unfailing(new Histogram({ name: `sallyport_${name}`, help, buckets, registers: [this.registry] }), ['observe']);
  }

  /** A histogram whose buckets show whom they count: its observations bring exemplars. */
  private timing<Label extends string>(name: string, help: string, buckets: number[], labelNames: readonly Label[]): Histogram<Label> {
    const options = { name: `sallyport_${name}`, help, buckets, labelNames, registers: [this.registry], enableExemplars: true };
    return this.unfailing(new Histogram(options), ['observe']);
  }

  private unfailing<Kind extends Metric>(metric: Kind, names: readonly (keyof Kind)[]): Kind {
    for (const name of names) {
      const measure = (metric[name] as (...values: unknown[]) => void).bind(metric);
      Object.assign(metric, { [name]: (...values: unknown[]) => this.attempt(() => measure(...values)) });
    }
    return metric;
  }
}
