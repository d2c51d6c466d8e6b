import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { parseDocument } from 'yaml';
import { chromaMistakes } from './chroma-place.js';
import { llmMistakes } from './llm-providers.js';
import { SETTINGS, type SettingDefinition, type SettingName, type Settings } from './settings.schema.js';

/** Injection token of the effective {@link Settings}. */
export const SETTINGS_TOKEN = Symbol('settings');

/** Where a setting's value came from. */
export type SettingSource = 'environment' | 'secret file' | '.env' | 'sallyport.yaml' | 'default' | 'unset';

export interface LoadedSettings {
  readonly settings: Settings;
  readonly sources: Readonly<Record<SettingName, SettingSource>>;
  /** Each value as it was written, secrets too; null where there is none. */
  readonly texts: Readonly<Record<SettingName, string | null>>;
  /** Absolute paths of the files that were read, and of those that would have been if they were there. */
  readonly files: readonly string[];
  /** Values for `${NAME}` in catalogue files; settings that are secret are not among them. */
  catalogueVariable(name: string): string | undefined;
  /**
   * Reads the same places once more. Of a secret that came through a pipe the text stays: it can be read once.
   * @throws SettingsError with every mistake at once
   */
  again(): LoadedSettings;
}

/** Every mistake in the settings, by name and expectation; never with the value. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';

  constructor(readonly mistakes: readonly string[]) {
    super(
      `The settings have ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:\n${mistakes.map((mistake) => `  ${mistake}`).join('\n')}`,
    );
  }
}

type Environment = Readonly<Record<string, string | undefined>>;
type Layer = ReadonlyMap<string, { readonly text: string; readonly source: SettingSource }>;

const MAX_FILE_BYTES = 1024 ** 2;

/** What reading needs to know and finds on its way. */
interface Reading {
  readonly folder: string;
  readonly mistakes: string[];
  readonly files: string[];
  readonly before: LoadedSettings | undefined;
}

/**
 * Reads the settings: environment first, then (in development) `.env`, then `sallyport.yaml`, then defaults.
 * The only reader of the environment in the product.
 * @throws SettingsError with every mistake at once
 */
export function loadSettings(
  environment: Environment = process.env,
  folder: string = process.cwd(),
  before?: LoadedSettings,
): LoadedSettings {
  const reading: Reading = { folder, mistakes: [], files: [], before };
  const { mistakes, files } = reading;
  const file = readSettingsFile(reading);
  const stage = environment['ENVIRONMENT'] || file.get('ENVIRONMENT')?.text || SETTINGS.ENVIRONMENT.default;
  const dotenv = stage === 'development' ? readDotenv(reading) : {};
  const layer = new Map([...file, ...readVariables(dotenv, '.env', reading), ...readVariables(environment, 'environment', reading)]);
  const settings: Record<string, unknown> = {};
  const sources: Record<string, SettingSource> = {};
  const texts: Record<string, string | null> = {};
  for (const [name, definition] of settingEntries()) {
    const given = layer.get(name);
    const text = given?.text ?? definition.default;
    texts[name] = text;
    sources[name] = given?.source ?? (definition.default === null ? 'unset' : 'default');
    if (text === null) continue;
    const result = definition.schema.safeParse(text);
    if (result.success) settings[name] = result.data;
    else mistakes.push(`${name} (${sources[name]}): ${result.error.issues[0]?.message ?? 'not understood'}`);
  }
  if ('TLS_CERT_FILE' in settings !== 'TLS_KEY_FILE' in settings) mistakes.push('TLS_CERT_FILE and TLS_KEY_FILE: expected both or none');
  if (settings['RATE_LIMIT_WITHOUT_REDIS'] === 'closed' && !('REDIS_URL' in settings))
    mistakes.push('RATE_LIMIT_WITHOUT_REDIS: expected REDIS_URL beside it');
  mistakes.push(...llmMistakes(settings), ...chromaMistakes(settings));
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  const loaded: LoadedSettings = {
    settings: settings as Settings,
    sources: sources as Record<SettingName, SettingSource>,
    texts: texts as Record<SettingName, string | null>,
    files,
    catalogueVariable: (name) => (isSecretName(name) ? undefined : firstOf(name, environment, dotenv, texts)),
    again: () => loadSettings(environment, folder, loaded),
  };
  return loaded;
}

/** The table of settings as entries with their common type. */
export function settingEntries(): [SettingName, SettingDefinition][] {
  return Object.entries(SETTINGS) as [SettingName, SettingDefinition][];
}

/** Its own value in the first layer that has one: every object has a `toString`. */
function firstOf(name: string, ...layers: readonly Readonly<Record<string, string | null | undefined>>[]): string | undefined {
  return layers.map((layer) => (Object.hasOwn(layer, name) ? layer[name] : undefined)).find((text) => typeof text === 'string');
}

function isSecretName(name: string): boolean {
  return settingEntries().some(([setting, { secret }]) => secret && (name === setting || name === `${setting}_FILE`));
}

function readDotenv(reading: Reading): Environment {
  const text = readIfPresent('.env', reading);
  return text === undefined ? {} : parseEnv(text);
}

/** Text of an optional file of the working directory. */
function readIfPresent(name: string, { folder, files, mistakes }: Reading): string | undefined {
  const file = resolve(folder, name);
  files.push(file);
  if (!existsSync(file)) return undefined;
  try {
    const text = readRegular(file);
    if (text !== undefined) return text;
  } catch {
    // Said below.
  }
  mistakes.push(`${name}: expected a file that can be read`);
  return undefined;
}

/** Undefined for anything but a file of a sensible size. A pipe in its place would hold up the whole process. */
function readRegular(file: string): string | undefined {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(descriptor);
    return found.isFile() && found.size <= MAX_FILE_BYTES ? readFileSync(descriptor, 'utf8') : undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** At the start a pipe is as good as a file: shells make some for `<(…)`. */
function readSecret(file: string, known: string | null | undefined): string {
  if (known === undefined) return readFileSync(file, 'utf8').trim();
  return readRegular(file)?.trim() ?? known ?? '';
}

function readVariables(variables: Environment, source: SettingSource, { folder, mistakes, files, before }: Reading): Layer {
  const layer = new Map<string, { text: string; source: SettingSource }>();
  for (const [name, { secret }] of settingEntries()) {
    const text = variables[name];
    const file = secret ? variables[`${name}_FILE`] : undefined;
    if (text && file) mistakes.push(`${name} and ${name}_FILE (${source}): give one of them`);
    else if (text) layer.set(name, { text, source });
    else if (file) {
      try {
        const path = join(file.startsWith('/') ? '' : folder, file);
        files.push(path);
        layer.set(name, { text: readSecret(path, before?.texts[name]), source: 'secret file' });
      } catch {
        mistakes.push(`${name}_FILE (${source}): expected a file that can be read`);
      }
    }
  }
  return layer;
}

function readSettingsFile(reading: Reading): Layer {
  const { mistakes } = reading;
  const layer = new Map<string, { text: string; source: SettingSource }>();
  for (const [name, value] of Object.entries(parseSettingsFile(reading))) {
    if (!Object.hasOwn(SETTINGS, name)) mistakes.push(`sallyport.yaml: there is no setting of the name ${quoteName(name)}`);
    else if (typeof value !== 'string') mistakes.push(`sallyport.yaml: ${name} expects a single value`);
    else if (value !== '') layer.set(name, { text: value, source: 'sallyport.yaml' });
  }
  return layer;
}

/** The file as plain data. Everything in it is text: what `8080` or `yes` means is up to the setting. */
function parseSettingsFile(reading: Reading): object {
  const { mistakes } = reading;
  const text = readIfPresent('sallyport.yaml', reading);
  if (text === undefined) return {};
  const document = parseDocument(text, { schema: 'failsafe', uniqueKeys: true, logLevel: 'error' });
  if (document.errors.length > 0) {
    mistakes.push(`sallyport.yaml: not readable as YAML (line ${document.errors[0]?.linePos?.[0].line ?? '?'})`);
    return {};
  }
  try {
    const content: unknown = document.toJS({ maxAliasCount: 0 });
    if (content === null || content === '') return {};
    if (typeof content === 'object' && !Array.isArray(content)) return content;
    mistakes.push('sallyport.yaml: expected a mapping of setting names to values');
  } catch {
    mistakes.push('sallyport.yaml: expected values without aliases');
  }
  return {};
}

/** `NAME=value` instead of `NAME: value` makes the value part of the name, so only what looks like a name is repeated. */
function quoteName(name: string): string {
  return /^\w{1,64}$/.test(name) ? `"${name}"` : `that begins with "${/^\w{0,64}/.exec(name)?.[0] ?? ''}"`;
}

/** The key that the command line presents to a server at `--url`; a client's, not a setting of ours. */
export function remoteKey(environment: Environment = process.env): string | undefined {
  return environment['SALLYPORT_KEY'] || undefined;
}

/** The trace that a program is started in, as headers would have it (OpenTelemetry: environment variables as context carriers). */
export function callerTrace(environment: Environment = process.env): { traceparent?: string; tracestate?: string } {
  const { TRACEPARENT: traceparent, TRACESTATE: tracestate } = environment;
  return { ...(traceparent ? { traceparent } : {}), ...(tracestate ? { tracestate } : {}) };
}
