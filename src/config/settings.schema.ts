import { z } from 'zod';
import { SANDBOX_MODES } from '../domain/sandbox.js';
import { isServiceAddress, parseLlmProviders } from './llm-providers.js';
import { MASTER_KEY_EXPECTATION, parseMasterKey } from './master-key-text.js';
import { parseHeaders, parsePairs, parseRatio } from './pairs.js';
import { parseRedisAddress } from './redis-address.js';
import {
  addresses,
  choice,
  chromaCollection,
  chromaName,
  collectorAddress,
  dsn,
  duration,
  flag,
  fraction,
  hosts,
  list,
  obsAddress,
  origins,
  rate,
  size,
  sizeFrom,
  text,
  webAddress,
  whole,
  word,
} from './setting-types.js';

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
  HOST: setting(
    text('a host name or address'),
    '127.0.0.1',
    'Address to listen on; loopback unless told otherwise. `localhost`: both 127.0.0.1 and ::1',
  ),
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
  REDIS_URL: setting(
    word(parseRedisAddress, 'an address such as redis://:PASSWORD@cache:6379/0, or rediss:// for TLS, with %-encoded credentials'),
    null,
    'Redis in which all gateways that have the same one count rates together; without it each counts by itself',
    true,
  ),
  RATE_LIMIT_WITHOUT_REDIS: setting(
    choice('local', 'closed'),
    'local',
    'While that Redis is away: local: each gateway counts by itself; closed: runs are refused, those of admins excepted, and the rest is counted so',
  ),
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
  MAX_AGENTS: setting(whole(1, 10_000), '100', 'Agents there may be at one time'),
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
  LOG_DIR: setting(
    text('a folder'),
    null,
    'Folder for api_requests.log, in which requests are then logged, a file each UTC day; without it they are logged with the rest',
  ),
  LOG_KEEP_DAYS: setting(whole(1, 36_500), '30', 'Days of api_requests.log that are kept, with today'),
  LOG_KEEP_BYTES: setting(sizeFrom(1024 ** 2, '1MiB'), '5GiB', 'Size of all of them together; beyond that the oldest go'),
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
  OBS_URL: setting(
    obsAddress,
    null,
    'Address of OBS Studio (obs-websocket 5), such as ws://127.0.0.1:4455; without it the commands of obs are off',
  ),
  OBS_PASSWORD: setting(text('a password'), null, 'Password of the WebSocket server of OBS, if it asks for one', true),
  LLM_URL: setting(
    z.string().refine(isServiceAddress, { error: 'expected an address such as https://api.openai.com/v1, without credentials and query' }),
    null,
    'Address of a language model (OpenAI-compatible: /chat/completions lies below it); without it and LLM_PROVIDERS commands of llm are off',
  ),
  LLM_KEY: setting(text('an API key'), null, 'Key of that service, if it asks for one', true),
  LLM_MODEL: setting(text('the name of a model'), null, 'Model that is asked there'),
  LLM_EMBEDDING_MODEL: setting(
    text('the name of a model'),
    null,
    'Model there that makes vectors (/embeddings): documents are then found by meaning too',
  ),
  LLM_PROVIDERS: setting(
    word(parseLlmProviders, 'providers by name as YAML or JSON, as docs/llm.md describes them'),
    null,
    'More such services, by name, with keys, models and prices',
    true,
  ),
  LLM_PROPOSALS: setting(
    flag,
    'false',
    'Whether the first of them may propose a command for text that no phrase matches; it is sent the text and the commands that the key may run',
  ),
  CHROMA_URL: setting(
    z.string().refine(isServiceAddress, { error: 'expected an address such as http://127.0.0.1:8000, without credentials and query' }),
    null,
    'Address of a Chroma server that keeps the vectors of documents; without it a file of ours does',
  ),
  CHROMA_TOKEN: setting(text('a token'), null, 'Token of that server, if it asks for one', true),
  CHROMA_TENANT: setting(chromaName, null, 'Tenant there; default_tenant by default'),
  CHROMA_DATABASE: setting(chromaName, null, 'Database there; default_database by default'),
  CHROMA_COLLECTION: setting(
    chromaCollection,
    null,
    'How the names of its collections begin, one for each set of folders; sallyport by default',
  ),
  SENTRY_DSN: setting(
    dsn,
    null,
    'Where failures that need a human are reported (Sentry, or what speaks its protocol); nowhere by default',
    true,
  ),
  SENTRY_TRACES_SAMPLE_RATE: setting(fraction, '0.1', 'Share of the requests that are traced to SENTRY_DSN, from 0 to 1'),
  SENTRY_PROFILES_SAMPLE_RATE: setting(fraction, '0.1', 'Share of the time in which the processor is profiled for SENTRY_DSN, from 0 to 1'),
  OTEL_EXPORTER_OTLP_ENDPOINT: setting(
    collectorAddress,
    null,
    'Address of an OpenTelemetry collector (OTLP over HTTP), to whose /v1/traces traces are sent; without it nothing is traced',
  ),
  OTEL_EXPORTER_OTLP_HEADERS: setting(
    word(parseHeaders, 'headers such as api-key=abc,x-tenant=one, with %-encoded values'),
    null,
    'Headers sent to the collector',
    true,
  ),
  OTEL_EXPORTER_OTLP_PROTOCOL: setting(choice('http/protobuf', 'http/json'), 'http/protobuf', 'Form in which traces are sent'),
  OTEL_SERVICE_NAME: setting(text('a name'), null, 'Name of this gateway in traces; sallyport by default'),
  OTEL_RESOURCE_ATTRIBUTES: setting(
    word(parsePairs, 'attributes such as service.namespace=ops,host.name=a, with %-encoded values'),
    null,
    'Attributes of this gateway in traces',
  ),
  OTEL_TRACES_SAMPLER: setting(
    choice('always_on', 'always_off', 'traceidratio', 'parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio'),
    'parentbased_always_on',
    'Which traces are sampled; parentbased: those that come from a caller as the caller says',
  ),
  OTEL_TRACES_SAMPLER_ARG: setting(word(parseRatio, 'a number from 0 to 1'), '1', 'Part of the traces that traceidratio samples'),
  OUTGOING_PRIVATE_RANGES: setting(
    addresses,
    null,
    'Addresses or CIDR ranges that are not public (loopback, private, link-local) and that services named in settings, such as AUDIT_ANCHOR_URL, may have all the same',
  ),
} as const satisfies Record<string, SettingDefinition>;

export type SettingName = keyof typeof SETTINGS;
type Value<Name extends SettingName> = z.output<(typeof SETTINGS)[Name]['schema']>;
type Optional = { [Name in SettingName]: (typeof SETTINGS)[Name]['default'] extends string ? never : Name }[SettingName];

/** The effective settings: durations in milliseconds, sizes in bytes, lists as arrays. Optional ones may be undefined. */
export type Settings = {
  readonly [Name in SettingName]: Name extends Optional ? Value<Name> | undefined : Value<Name>;
};
