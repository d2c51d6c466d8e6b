import type { Redis, RedisOptions } from 'ioredis';
import { isIP } from 'node:net';
import type { RedisAddress } from '../../config/redis-address.js';
import { GatewayError } from '../../domain/errors.js';
import type { RedisScript } from './window-scripts.js';

/** What a decision may cost when Redis does not answer. */
export const ANSWER_MS = 100;
/** A new connection may take longer: nobody waits for one. */
const CONNECT_MS = 1_000;

/**
 * One connection, from its making to its end: it is never mended, and keeps nothing to be sent later. Whoever loses it makes another one.
 */
export class RedisConnection {
  private constructor(private readonly client: Redis) {}

  /**
   * @param onEnd told once, when it ends and was not {@link close}d
   * @throws GatewayError `counters_unavailable` with the reason
   */
  static async open(address: RedisAddress, onEnd: (reason: string) => void): Promise<RedisConnection> {
    // Loaded where it is used: a gateway without Redis does without its client.
    const { Redis } = await import('ioredis');
    const client = new Redis(optionsFor(address));
    let told: unknown;
    client.on('error', (error: unknown) => (told = error));
    const connection = new RedisConnection(client);
    try {
      await within(CONNECT_MS, client.connect());
    } catch (error) {
      connection.close();
      throw faultOf(told ?? error);
    }
    client.once('end', () => onEnd(reasonOf(told)));
    return connection;
  }

  /** @throws GatewayError `counters_unavailable` when there is no answer within {@link ANSWER_MS}, or it is an error */
  async evaluate(script: RedisScript, key: string, values: readonly (number | string)[]): Promise<unknown> {
    try {
      return await within(ANSWER_MS, this.call(script, key, values));
    } catch (error) {
      throw faultOf(error);
    }
  }

  /** At once: a peer that hangs would never agree to an end. */
  close(): void {
    this.client.removeAllListeners('end');
    this.client.disconnect();
    // Not there yet where it is closed before it was opened.
    (this.client.stream as typeof this.client.stream | undefined)?.destroy();
  }

  /** Redis forgets scripts when it is restarted or told to; the text teaches it anew. */
  private async call({ sha, text }: RedisScript, key: string, values: readonly (number | string)[]): Promise<unknown> {
    try {
      return await this.client.evalsha(sha, 1, key, ...values);
    } catch (error) {
      if (!/^NOSCRIPT\b/.test((error as Error).message)) throw error;
      return this.client.eval(text, 1, key, ...values);
    }
  }
}

/** Nothing is tried again and nothing waits for a connection: what was not counted in time was decided without. */
function optionsFor({ host, port, db, username, password, tls }: RedisAddress): RedisOptions {
  return {
    host,
    port,
    db,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: isIP(host) ? {} : { servername: host } } : {}),
    connectionName: 'sallyport',
    lazyConnect: true,
    protocol: 2,
    disableClientInfo: true,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_MS,
    retryStrategy: () => null,
  };
}

/** Rejects when the time is over. What has arrived by then is read first: that we are busy ourselves is no fault of Redis. */
async function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const give = () => reject(new GatewayError('counters_unavailable', `no answer within ${limitMs} ms`));
    timer = setTimeout(() => setImmediate(give), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function faultOf(error: unknown): GatewayError {
  return error instanceof GatewayError ? error : new GatewayError('counters_unavailable', reasonOf(error));
}

/** In words for operators. Messages are left out: they may repeat what was sent. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'the connection ended';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const answered = /^[A-Z]{3,20}\b/.exec(error.message)?.[0];
  if (code) return code;
  return error.name === 'ReplyError' && answered ? `it answered ${answered}` : 'the connection ended';
}
