import { hash } from 'node:crypto';
import { GatewayError } from '../../domain/errors.js';
import { type Budget, type Clock, RateCounter } from '../../domain/ports.js';
import type { Rate } from '../../domain/rate.js';
import { ANSWER_MS, type RedisConnection } from './redis-connection.js';
import { RedisLink, type RedisLinkOptions } from './redis-link.js';
import { RedisClock } from './redis-clock.js';
import { PEEK, readWindowAnswer, type RedisScript, SPEND, type WindowAnswer } from './window-scripts.js';

export interface RedisRateCounterOptions {
  readonly open: RedisLinkOptions['open'];
  readonly clock: Clock;
  /** Counts while Redis is away, for this process alone. */
  readonly alone: RateCounter;
  /** Whether runs are refused while Redis is away, if they would have to be counted. */
  readonly isStrict: () => boolean;
  /** Whether requests are counted at all, whatever command they run. */
  readonly countsRequests: () => boolean;
  readonly observer: SharedRatesObserver;
}

/** What the counter reports about its work; metrics and the log listen. */
export interface SharedRatesObserver {
  /** @param fault why Redis is away; undefined: it answers, first or again */
  readonly changed: (fault: string | undefined) => void;
  /** A request was counted by this process alone. */
  readonly countedAlone: () => void;
}

const PREFIX = 'sallyport:rate:';
/** Of the window that a new connection is tried with: whether scripts may run and write, and how fast. */
const TRIAL_RATE: Rate = { count: 1, windowMs: 1_000 };
const ANY_TIME = Number.MAX_SAFE_INTEGER;

/**
 * Counts in Redis, for all gateways that ask the same one, by its clock. While it is away each of them counts by itself, from nothing, and what
 * it counted is forgotten when Redis is back. A request is counted in Redis as long as somebody waits for it, and not when Redis wakes up and
 * finds it: what was sent is carried out even after its connection was closed, so each command says until when it is wanted.
 */
export class RedisRateCounter extends RateCounter {
  private readonly link: RedisLink;
  private readonly clock: RedisClock;

  constructor(private readonly options: RedisRateCounterOptions) {
    super();
    const { open, observer, clock } = options;
    this.clock = new RedisClock(clock);
    this.link = new RedisLink({ open, tryOut: (connection) => this.tryOut(connection), onChange: observer.changed });
  }

  override get fault(): string | undefined {
    return this.link.fault;
  }

  override refusesRun(rate: Rate | null): boolean {
    if (this.fault === undefined || !this.options.isStrict()) return false;
    return rate !== null || this.options.countsRequests();
  }

  override start(): Promise<void> {
    return this.link.start();
  }

  override async stop(): Promise<void> {
    this.link.stop();
  }

  async spend(bucket: string, rate: Rate): Promise<Budget> {
    const answer = await this.link.ask((connection) => this.evaluate(connection, SPEND, bucket, rate));
    if (answer && answer.verdict !== 'late') return budgetOf(answer, rate);
    this.options.observer.countedAlone();
    return this.options.alone.spend(bucket, rate);
  }

  async peek(bucket: string, rate: Rate): Promise<Budget> {
    const answer = await this.link.ask((connection) => this.evaluate(connection, PEEK, bucket, rate));
    return answer ? budgetOf(answer, rate) : this.options.alone.peek(bucket, rate);
  }

  private async tryOut(connection: RedisConnection): Promise<void> {
    this.clock.forget();
    await this.evaluate(connection, SPEND, 'trial', TRIAL_RATE);
  }

  /** @throws GatewayError `counters_unavailable` */
  private async evaluate(
    connection: RedisConnection,
    script: RedisScript,
    bucket: string,
    { count, windowMs }: Rate,
  ): Promise<WindowAnswer> {
    const askedAt = this.options.clock.monotonic();
    const latest = this.clock.at(askedAt + ANSWER_MS) ?? ANY_TIME;
    const answer = readWindowAnswer(await connection.evaluate(script, keyOf(bucket), [count, windowMs, latest]));
    if (!answer) throw new GatewayError('counters_unavailable', 'it answered what no Redis would');
    if (answer.verdict === 'late') this.clock.forget();
    this.clock.learn(answer.at, askedAt);
    return answer;
  }
}

/** Ids of keys, addresses and names of commands are not kept there as they are. */
function keyOf(bucket: string): string {
  return PREFIX + hash('sha256', bucket, 'base64url').slice(0, 22);
}

function budgetOf({ verdict, used, leftMs }: WindowAnswer, { count, windowMs }: Rate): Budget {
  return {
    allowed: verdict === 'allowed',
    limit: count,
    remaining: Math.max(0, count - used),
    resetSeconds: Math.ceil(Math.min(leftMs, windowMs) / 1000),
  };
}
