import { z } from 'zod';
import { SANDBOX_MODES } from '../domain/sandbox.js';
import { MASTER_KEY_EXPECTATION, parseMasterKey } from './master-key-text.js';
import { parseDuration, parseRate, parseSize } from './units.js';

/** A setting written as a word (`30s`, `1MiB`, `100/min`) and read as what it means. */
function word<T>(parse: (text: string) => T | undefined, expectation: string) {
  return z.string().transform((text, context): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `expected ${expectation}` });
    return z.NEVER;
  });
}

/** Timers wait 24.8 days at most and fire at once beyond that. */
const LONGEST_DURATION_MS = 24 * 60 * 60 * 1000;
const duration = (shortestMs: number) =>
  word(
    (text) => {
      const value = parseDuration(text);
      return value !== undefined && value >= shortestMs && value <= LONGEST_DURATION_MS ? value : undefined;
    },
    `a duration${shortestMs > 0 ? ' above zero' : ''} such as 200ms, 30s, 5min or 2h, at most 24h`,
  );
const size = word(parseSize, 'a size such as 64KiB or 1MiB');
const rate = word(parseRate, 'a rate such as 100/min (per s, min, h or d)');
const whole = (min: number, max: number) =>
  word((text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    return value >= min && value <= max ? value : undefined;
  }, `a whole number from ${min} to ${max}`);
const flag = z.enum(['true', 'false'], { error: 'expected true or false' }).transform((text) => text === 'true');
const choice = <const T extends readonly [string, ...string[]]>(...values: T) =>
  z.enum(values, { error: `expected one of ${values.join(', ')}` });
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
);
const origins = list.refine((items) => items.every(isOrigin), {
  error: 'expected exact origins such as https://ops.example.com, separated by commas',
});
const addresses = list.refine((items) => items.every(isAddressOrRange), {
  error: 'expected addresses or CIDR ranges, separated by commas',
});
const hosts = list.refine((items) => items.every((item) => /^[A-Za-z0-9._-]{1,253}$|^[0-9A-Fa-f:.]{2,45}$/.test(item)), {
  error: 'expected host names or addresses without ports, separated by commas',
});
const text = (expectation: string) => z.string({ error: `expected ${expectation}` }).min(1, { error: `expected ${expectation}` });

const webAddress = z.string().refine((item) => /^https?:$/.test(URL.parse(item)?.protocol ?? ''), {
  error: 'expected an address such as https://keeper.example.com/checkpoints',
});

function isOrigin(item: string): boolean {
  return URL.canParse(item) && new URL(item).origin === item;
}

function isAddressOrRange(item: string): boolean {
  return z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]).safeParse(item).success;
}

/** One setting: how it is read, its default as an operator would write it, what it is for. */
export interface SettingDefinition<Schema extends z.ZodType = z.ZodType> {
  readonly schema: Schema;
  /** As written in the environment; null: no value unless one is given. */
  readonly default: string | null;
  readonly about: string;
  /** Never shown, logged or printed; may be read from the file that `NAME_FILE` names. */
  readonly secret?: true;
}

function setting<Schema extends z.ZodType, Default extends string | null>(
  schema: Schema,
  fallback: Default,
  about: string,
  secret?: true,
): SettingDefinition<Schema> & { readonly default: Default } {
  return { schema, default: fallback, about, ...(secret ? { secret } : {}) };
}

/** Every setting there is. `.env.example` and `docs/configuration.md` are generated from this table. */
export const SETTINGS = {
  HOST: setting(text('a host name or address'), '127.0.0.1', 'Address to listen on; loopback unless told otherwise'),
  PORT: setting(whole(0, 65_535), '8080', 'Port to listen on; 0 takes a free one'),
  DATA_DIR: setting(text('a folder'), './data', 'Folder of the database; created with mode 0700'),
  CATALOGUE_DIR: setting(text('a folder'), './commands', 'Folder of the catalogue files (*.yaml)'),
  CONFIG_WATCH: setting(flag, 'true', 'Whether changed catalogue and settings files are taken over by themselves, within seconds'),
  ADMIN_KEY: setting(
    text('a key made by `sallyport keys generate`'),
    null,
    'First admin key of an empty store; without it one is made and printed once',
    true,
  ),
  SECRETS_KEY: setting(
    word(parseMasterKey, MASTER_KEY_EXPECTATION),
    null,
    'Master key of the secrets for commands, 32 random bytes as base64 or hex; without it one is made in DATA_DIR',
    true,
  ),
  RATE_LIMIT_ENABLED: setting(flag, 'true', 'Whether requests are rate-limited'),
  RATE_LIMIT_PER_KEY: setting(rate, '100/min', 'Requests each key may make'),
  RATE_LIMIT_PER_ADDRESS: setting(rate, '300/min', 'Requests each address may make with valid keys, and as many without (IPv6 by /64)'),
  CONNECTIONS_PER_ADDRESS: setting(
    whole(0, 1_000_000),
    '512',
    'Connections each address may have open (IPv6 by /64), TRUSTED_PROXIES excepted; more are closed unread; 0: any number',
  ),
  BODY_LIMIT: setting(size, '1MiB', 'Largest request body'),
  OUTPUT_LIMIT: setting(size, '1MiB', 'Output kept of one run unless its command says otherwise; the rest is counted and dropped'),
  RUN_TIMEOUT: setting(duration(1), '30s', 'Time a run may take unless its command says otherwise'),
  KILL_GRACE: setting(duration(0), '2s', 'Time between TERM and KILL when a run is ended from outside'),
  SANDBOX: setting(
    choice(...SANDBOX_MODES),
    'auto',
    'auto: contain programs with what the host offers, and say what is missing; require: refuse to start without; off: do not contain',
  ),
  MAX_CONCURRENT_RUNS: setting(whole(1, 10_000), '64', 'Runs under way at one time'),
  QUEUE_LIMIT: setting(whole(0, 100_000), '1000', 'Runs that may wait for a slot; one more is refused as busy'),
  CACHE_LIMIT: setting(size, '32MiB', 'Memory for results of commands that declare `cache`'),
  CORS_ORIGINS: setting(origins, null, 'Exact origins that browsers may call from; none by default'),
  ALLOWED_HOSTS: setting(
    hosts,
    null,
    'Names that requests may call the gateway by (their `Host`), without ports; by default any, and on loopback those of loopback. TRUSTED_PROXIES may use any',
  ),
  TRUSTED_PROXIES: setting(addresses, null, 'Addresses or CIDR ranges whose X-Forwarded-For counts; none by default'),
  TLS_CERT_FILE: setting(
    text('a file'),
    null,
    'Certificate with its chain (PEM): HTTPS instead of HTTP. Taken into use within a second when it changes',
  ),
  TLS_KEY_FILE: setting(text('a file'), null, 'Private key of that certificate (PEM, without a passphrase)'),
  LOG_LEVEL: setting(choice('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'), 'info', 'Least severe level that is logged'),
  LOG_FORMAT: setting(choice('json', 'pretty'), null, 'json, or pretty for people; pretty by default on a terminal, else json'),
  ENVIRONMENT: setting(
    choice('development', 'test', 'staging', 'production'),
    'development',
    'Name of the deployment; a .env file is read only in development',
  ),
  METRICS_ACCESS: setting(choice('public', 'key'), 'public', 'Whether GET /metrics needs a key (readonly)'),
  DOCS_ACCESS: setting(choice('public', 'key'), 'public', 'Whether GET /docs and /openapi.json need a key (readonly)'),
  DRAIN_TIMEOUT: setting(duration(0), '30s', 'Time that running work gets after SIGTERM before it is ended'),
  PLAN_EXPIRY: setting(duration(1), '5min', 'Time in which a plan can be run'),
  APPROVAL_EXPIRY: setting(duration(1), '1h', 'Time that a run waits for approval before it is rejected'),
  REDACTION_OFF: setting(list, null, 'Kinds of docs/redaction.md that are not masked, separated by commas; none by default'),
  REDACTION_RULES: setting(text('a file'), null, "YAML file of the operator's own rules of what to mask; none by default"),
  RETENTION_DAYS: setting(whole(1, 36_500), '30', 'Days that finished runs stay in the history'),
  RETENTION_RUNS: setting(whole(1, 1_000_000_000), '100000', 'Runs kept in the history'),
  RETENTION_BYTES: setting(size, '5GiB', 'Output kept in the history'),
  AUDIT_CHECKPOINT_ENTRIES: setting(whole(1, 1_000_000), '1000', 'New entries of the audit log after which it is signed'),
  AUDIT_CHECKPOINT_INTERVAL: setting(duration(1), '1min', 'Time after which the audit log is signed when it has new entries'),
  AUDIT_ANCHOR_FILE: setting(text('a file'), null, 'File to which signed checkpoints of the audit log are appended; best on another disk'),
  AUDIT_ANCHOR_URL: setting(webAddress, null, 'Address to which signed checkpoints of the audit log are posted', true),
} as const satisfies Record<string, SettingDefinition>;

export type SettingName = keyof typeof SETTINGS;
type Value<Name extends SettingName> = z.output<(typeof SETTINGS)[Name]['schema']>;
type Optional = { [Name in SettingName]: (typeof SETTINGS)[Name]['default'] extends string ? never : Name }[SettingName];

/** The effective settings: durations in milliseconds, sizes in bytes, lists as arrays. Optional ones may be undefined. */
export type Settings = {
  readonly [Name in SettingName]: Name extends Optional ? Value<Name> | undefined : Value<Name>;
};
