import { GatewayError } from '../../domain/errors.js';
import type { RedisConnection } from './redis-connection.js';

/** Pause between two tries to reach a Redis that is away. */
const RETRY_MS = 500;

export interface RedisLinkOptions {
  /** @throws GatewayError with the reason */
  readonly open: (onEnd: (reason: string) => void) => Promise<RedisConnection>;
  /** What a new connection has to be good for before it is used. @throws GatewayError with the reason */
  readonly tryOut: (connection: RedisConnection) => Promise<void>;
  /** Told when Redis is there (undefined), first or again, and when it is away, with the reason. */
  readonly onChange: (fault: string | undefined) => void;
}

/**
 * The way to a Redis that may be away. There is a connection that has been tried, or there is none, and then whoever asks is told so
 * at once: waiting is for the one that tries anew in the background.
 */
export class RedisLink {
  private connection: RedisConnection | undefined;
  private failure: string | undefined;
  private retry: NodeJS.Timeout | undefined;
  private living = false;

  constructor(private readonly options: RedisLinkOptions) {}

  /** Why Redis is not asked at the moment; undefined when it is, and before the start. */
  get fault(): string | undefined {
    return this.failure;
  }

  /** Tries once before it returns, for a second or so; goes on trying when that fails. */
  async start(): Promise<void> {
    this.living = true;
    await this.connect();
  }

  stop(): void {
    this.living = false;
    clearTimeout(this.retry);
    this.connection?.close();
    this.connection = undefined;
    this.failure = undefined;
  }

  /** @returns undefined when Redis is away, or goes away over it: the connection is given up then, and with it all that still waits */
  async ask<T>(question: (connection: RedisConnection) => Promise<T>): Promise<T | undefined> {
    const { connection } = this;
    if (!connection) return undefined;
    try {
      return await question(connection);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.lose(connection, error.message);
      return undefined;
    }
  }

  private async connect(): Promise<void> {
    const found = await this.attempt();
    if (!this.living) {
      if (typeof found !== 'string') found.close();
    } else if (typeof found === 'string') this.fail(found);
    else this.succeed(found);
  }

  /** @returns a connection that works, or why there is none */
  private async attempt(): Promise<RedisConnection | string> {
    let made: RedisConnection | undefined;
    try {
      made = await this.options.open((reason) => made && this.lose(made, reason));
      await this.options.tryOut(made);
      return made;
    } catch (error) {
      made?.close();
      if (!(error instanceof GatewayError)) throw error;
      return error.message;
    }
  }

  private succeed(connection: RedisConnection): void {
    this.connection = connection;
    this.failure = undefined;
    this.options.onChange(undefined);
  }

  private lose(connection: RedisConnection, reason: string): void {
    if (connection !== this.connection) return;
    this.connection = undefined;
    connection.close();
    this.fail(reason);
  }

  private fail(reason: string): void {
    const isNew = this.failure === undefined;
    this.failure = reason;
    this.retry = setTimeout(() => void this.connect(), RETRY_MS).unref();
    if (isNew) this.options.onChange(reason);
  }
}
