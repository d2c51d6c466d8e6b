/** Where a Redis is, and who asks it. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  /** Number of the database. */
  readonly db: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: boolean;
}

const DEFAULT_PORT = 6379;

/** `redis://user:password@host:6379/0`, or `rediss://` for TLS; undefined for any other text. */
export function parseRedisAddress(text: string): RedisAddress | undefined {
  const url = URL.parse(text);
  if (!url || !/^rediss?:$/.test(url.protocol) || url.hostname === '' || /[?#\s]/.test(text)) return undefined;
  const db = /^(?:\/(\d{1,5})?)?$/.exec(url.pathname);
  const [username, password] = [decoded(url.username), decoded(url.password)];
  if (!db || username === null || password === null) return undefined;
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    db: Number(db[1] ?? 0),
    username,
    password,
    tls: url.protocol === 'rediss:',
  };
}

/** Null for what is not encoded as an address has it. */
function decoded(part: string): string | undefined | null {
  try {
    return decodeURIComponent(part) || undefined;
  } catch {
    return null;
  }
}
