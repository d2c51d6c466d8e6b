import { createHash, randomUUID } from 'node:crypto';
import { defaultStackParser, linkedErrorsIntegration, NodeClient, Scope, SDK_VERSION } from '@sentry/node';
import { VERSION } from '../config/version.js';
import {
  ErrorTracker,
  type ErrorTrackingStats,
  type Failure,
  FAILURES,
  type Happening,
  type RequestFacts,
  type TracedRequest,
} from '../domain/error-tracker.js';
import type { Clock } from '../domain/ports.js';
import type { Redaction } from '../redaction/redaction.js';
import { createEnvelopeFilter } from './allowed-envelope.js';
import { AllowedWords } from './allowed-words.js';
import { type CpuProfile, CpuProfiler } from './cpu-profiler.js';
import { CauseLedger, causeOf, rootOf } from './cause-ledger.js';
import { createAllowListTransport } from './sentry-transport.js';

const MOST_HAPPENINGS = 30;
/** A flood tells no more than its first requests, and each transaction is a request of ours. */
const MOST_TRACES_A_SECOND = 10;
/** The SDK waits this long for its own work, then again for the peer. */
const FLUSH_STEP_MS = 1_000;

export interface SentryOptions {
  readonly dsn: string;
  readonly environment: string;
  /** From 0 to 1. */
  readonly tracesSampleRate: number;
  /** Share of the time in which the processor is profiled, from 0 to 1. */
  readonly profilesSampleRate: number;
  readonly clock: Clock;
  readonly redaction: Redaction;
}

/**
 * Reports to Sentry, or to what speaks its protocol. Of the SDK it uses the client, the reading of stacks and cause chains, queue and back-off; none of
 * what watches requests, console or modules by itself, and nothing that is global: OpenTelemetry's context belongs to others.
 */
export class SentryErrorTracker extends ErrorTracker {
  private readonly words = new AllowedWords();
  private readonly causes = new CauseLedger();
  private readonly client: NodeClient;
  private readonly told = new WeakSet<object>();
  private readonly happenings: { timestamp: number; category: string; level: 'info'; data: Record<string, string> }[] = [];
  private readonly counts = { sent: 0, dropped: 0, failed: 0 };
  private lastErrorAt: string | null = null;
  private lastFailureAt: string | null = null;
  private readonly closing = new AbortController();
  private second = { begunAt: -Infinity, traces: 0 };
  private readonly profilerId = hexId();
  private readonly profiler: CpuProfiler;

  constructor(private readonly options: SentryOptions) {
    super();
    const { dsn, redaction } = options;
    const filter = createEnvelopeFilter(this.words);
    this.client = new NodeClient({
      dsn,
      release: this.words.allow(`sallyport@${VERSION}`),
      environment: this.words.allow(options.environment),
      integrations: [],
      stackParser: defaultStackParser,
      transport: (made) =>
        createAllowListTransport(made, {
          filter,
          redaction,
          closed: this.closing.signal,
          onEnd: (end) => this.count(end),
        }),
      traceLifecycle: 'static',
      includeServerName: false,
      enableRuntimeChannelInjection: false,
      enableOpenTelemetrySetup: false,
    });
    this.client.addIntegration(linkedErrorsIntegration());
    this.client.startClientReportTracking();
    this.profiler = new CpuProfiler(
      options.profilesSampleRate,
      (profile) => this.attempt(() => this.tellProfile(profile)),
      () => this.count('failed'),
    );
    this.profiler.start();
  }

  report(failure: Failure): void {
    this.attempt(() => this.tell(failure));
  }

  private tell(failure: Failure): void {
    if (this.isTold(failure.error)) return;
    this.lastErrorAt = this.options.clock.now();
    const cause = causeOf(failure);
    const repeats = this.causes.admit(cause, this.options.clock.monotonic());
    if (repeats === undefined) return void (this.counts.dropped += 1);
    const scope = this.scopeOf(failure);
    if (repeats > 0) scope.setTag('repeats', this.words.allow(String(repeats)));
    scope.setFingerprint([this.words.allow(createHash('sha256').update(cause).digest('hex').slice(0, 32))]);
    const { name, error } = failure;
    if (error === undefined) return void this.client.captureMessage(FAILURES[name], 'error', {}, scope);
    const mechanism = name === 'unhandled' ? { type: 'onuncaughtexception', handled: false } : { type: 'generic', handled: true };
    const exception = error instanceof Error ? error : new Error();
    this.client.captureException(exception, { originalException: exception, mechanism }, scope);
  }

  samples(): boolean {
    const { tracesSampleRate } = this.options;
    return tracesSampleRate > 0 && Math.random() < tracesSampleRate;
  }

  trace(request: TracedRequest): void {
    this.attempt(() => this.tellRequest(request));
  }

  private tellRequest(request: TracedRequest): void {
    if (!this.mayTrace()) return void (this.counts.dropped += 1);
    const end = Date.parse(this.options.clock.now()) / 1000;
    const scope = new Scope();
    this.describe(scope, request);
    scope.setTag('status', this.words.allow(String(request.status)));
    if (this.options.profilesSampleRate > 0) scope.setContext('profile', { profiler_id: this.profilerId });
    this.client.captureEvent(
      {
        type: 'transaction',
        transaction: this.transactionOf(request),
        transaction_info: { source: 'route' },
        start_timestamp: end - request.durationMs / 1000,
        timestamp: end,
        spans: [],
        contexts: {
          trace: { trace_id: request.traceId, span_id: request.spanId, op: 'http.server', status: spanStatusOf(request.status) },
        },
      },
      {},
      scope,
    );
  }

  /** What the SDK's types say of envelopes stands for its own profiler. */
  private tellProfile(profile: CpuProfile): void {
    const sdk = { name: 'sentry.javascript.node', version: SDK_VERSION };
    const chunk = {
      chunk_id: hexId(),
      profiler_id: this.profilerId,
      platform: 'node',
      version: '2',
      release: `sallyport@${VERSION}`,
      environment: this.options.environment,
      client_sdk: sdk,
      profile: { ...profile, thread_metadata: { '0': { name: 'main' } } },
    };
    const headers = { event_id: hexId(), sent_at: this.options.clock.now(), sdk };
    void this.client.sendEnvelope([headers, [[{ type: 'profile_chunk', platform: 'node' }, chunk]]] as never);
  }

  note(happening: Happening): void {
    const data: Record<string, string> =
      happening.kind === 'run finished' ? { command: happening.command, status: happening.status, run_id: happening.runId } : {};
    for (const word of Object.values(data)) this.words.allow(word);
    this.happenings.push({ timestamp: Date.parse(this.options.clock.now()) / 1000, category: happening.kind, level: 'info', data });
    if (this.happenings.length > MOST_HAPPENINGS) this.happenings.shift();
  }

  stats(): ErrorTrackingStats {
    return { enabled: true, ...this.counts, last_error_at: this.lastErrorAt, last_failure_at: this.lastFailureAt };
  }

  async close(): Promise<void> {
    await this.profiler.stop();
    await this.client.close(FLUSH_STEP_MS);
    this.closing.abort();
  }

  /** What was thrown may answer whoever looks at it with another throw: that is one report less, and no second failure. */
  private attempt(tell: () => void): void {
    try {
      tell();
    } catch {
      this.count('failed');
    }
  }

  private count(end: 'sent' | 'dropped' | 'failed'): void {
    this.counts[end] += 1;
    if (end === 'failed') this.lastFailureAt = this.options.clock.now();
  }

  private scopeOf({ name, error, code, request, runId }: Failure): Scope {
    const scope = new Scope();
    const tag = (label: string, value: string | undefined) => value !== undefined && scope.setTag(label, this.words.allow(value));
    if (request) this.describe(scope, request);
    scope.setLevel(name === 'unhandled' ? 'fatal' : 'error');
    tag('failure', name);
    tag('code', code);
    tag('run_id', runId);
    tag('error_code', errorCodeOf(error));
    for (const happening of this.happenings) scope.addBreadcrumb(happening, MOST_HAPPENINGS);
    return scope;
  }

  private describe(scope: Scope, request: RequestFacts): void {
    const { requestId, traceId, method, route, command, keyId } = request;
    scope.setTransactionName(this.transactionOf(request));
    scope.setPropagationContext({ traceId, sampleRand: 0 });
    if (keyId !== undefined) scope.setUser({ id: this.words.allow(keyId) });
    const tags = { route, method, request_id: requestId, ...(command === undefined ? {} : { command }) };
    for (const value of Object.values(tags)) this.words.allow(value);
    scope.setTags(tags);
  }

  private transactionOf({ method, route }: RequestFacts): string {
    return this.words.allow(`${method} ${route}`);
  }

  /** One thing that was thrown may pass several of those who report. */
  private isTold(error: unknown): boolean {
    if (typeof error !== 'object' || error === null) return false;
    const told = this.told.has(error);
    this.told.add(error);
    return told;
  }

  private mayTrace(): boolean {
    const now = this.options.clock.monotonic();
    if (now - this.second.begunAt >= 1_000) this.second = { begunAt: now, traces: 0 };
    this.second.traces += 1;
    return this.second.traces <= MOST_TRACES_A_SECOND;
  }
}

function hexId(): string {
  return randomUUID().replaceAll('-', '');
}

/** What system and store call it (`ENOSPC`, `SQLITE_CORRUPT`); such codes are made of capitals. */
function errorCodeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in rootOf(error) ? (rootOf(error) as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' && /^(?:E[A-Z]{2,15}|SQLITE_[A-Z_]{2,40}|ERR_[A-Z_]{2,60})$/.test(code) ? code : undefined;
}

function spanStatusOf(status: number): string {
  if (status < 400) return 'ok';
  if (status < 500) return 'invalid_argument';
  return status === 500 ? 'internal_error' : 'unavailable';
}
