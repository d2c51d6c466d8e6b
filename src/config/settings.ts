import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { parseDocument } from 'yaml';
import { SETTINGS, type SettingDefinition, type SettingName, type Settings } from './settings.schema.js';

/** Injection token of the effective {@link Settings}. */
export const SETTINGS_TOKEN = Symbol('settings');

/** Where a setting's value came from. */
export type SettingSource = 'environment' | 'secret file' | '.env' | 'sallyport.yaml' | 'default' | 'unset';

export interface LoadedSettings {
  readonly settings: Settings;
  readonly sources: Readonly<Record<SettingName, SettingSource>>;
  /** Values for `${NAME}` in catalogue files; settings that are secret are not among them. */
  catalogueVariable(name: string): string | undefined;
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

/**
 * Reads the settings: environment first, then (in development) `.env`, then `sallyport.yaml`, then defaults.
 * The only reader of the environment in the product.
 * @throws SettingsError with every mistake at once
 */
export function loadSettings(environment: Environment = process.env, folder: string = process.cwd()): LoadedSettings {
  const mistakes: string[] = [];
  const file = readSettingsFile(folder, mistakes);
  const stage = environment['ENVIRONMENT'] || file.get('ENVIRONMENT')?.text || SETTINGS.ENVIRONMENT.default;
  const dotenv = stage === 'development' ? readDotenv(folder, mistakes) : {};
  const layer = new Map([
    ...file,
    ...readVariables(dotenv, '.env', folder, mistakes),
    ...readVariables(environment, 'environment', folder, mistakes),
  ]);
  const settings: Record<string, unknown> = {};
  const sources: Record<string, SettingSource> = {};
  for (const [name, definition] of settingEntries()) {
    const given = layer.get(name);
    const text = given?.text ?? definition.default;
    sources[name] = given?.source ?? (definition.default === null ? 'unset' : 'default');
    if (text === null) continue;
    const result = definition.schema.safeParse(text);
    if (result.success) settings[name] = result.data;
    else mistakes.push(`${name} (${sources[name]}): ${result.error.issues[0]?.message ?? 'not understood'}`);
  }
  if ('TLS_CERT_FILE' in settings !== 'TLS_KEY_FILE' in settings) mistakes.push('TLS_CERT_FILE and TLS_KEY_FILE: expected both or none');
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  return {
    settings: settings as Settings,
    sources: sources as Record<SettingName, SettingSource>,
    catalogueVariable: (name) => (isSecretName(name) ? undefined : (environment[name] ?? dotenv[name])),
  };
}

/** The table of settings as entries with their common type. */
export function settingEntries(): [SettingName, SettingDefinition][] {
  return Object.entries(SETTINGS) as [SettingName, SettingDefinition][];
}

function isSecretName(name: string): boolean {
  return settingEntries().some(([setting, { secret }]) => secret && (name === setting || name === `${setting}_FILE`));
}

function readDotenv(folder: string, mistakes: string[]): Environment {
  const text = readIfPresent('.env', folder, mistakes);
  return text === undefined ? {} : parseEnv(text);
}

/** Text of an optional file of the working directory. */
function readIfPresent(name: string, folder: string, mistakes: string[]): string | undefined {
  const file = join(folder, name);
  if (!existsSync(file)) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch {
    mistakes.push(`${name}: expected a file that can be read`);
    return undefined;
  }
}

function readVariables(variables: Environment, source: SettingSource, folder: string, mistakes: string[]): Layer {
  const layer = new Map<string, { text: string; source: SettingSource }>();
  for (const [name, { secret }] of settingEntries()) {
    const text = variables[name];
    const file = secret ? variables[`${name}_FILE`] : undefined;
    if (text && file) mistakes.push(`${name} and ${name}_FILE (${source}): give one of them`);
    else if (text) layer.set(name, { text, source });
    else if (file) {
      try {
        layer.set(name, { text: readFileSync(join(file.startsWith('/') ? '' : folder, file), 'utf8').trim(), source: 'secret file' });
      } catch {
        mistakes.push(`${name}_FILE (${source}): expected a file that can be read`);
      }
    }
  }
  return layer;
}

function readSettingsFile(folder: string, mistakes: string[]): Layer {
  const layer = new Map<string, { text: string; source: SettingSource }>();
  for (const [name, value] of Object.entries(parseSettingsFile(folder, mistakes))) {
    if (!Object.hasOwn(SETTINGS, name)) mistakes.push(`sallyport.yaml: there is no setting of the name ${quoteName(name)}`);
    else if (typeof value !== 'string') mistakes.push(`sallyport.yaml: ${name} expects a single value`);
    else if (value !== '') layer.set(name, { text: value, source: 'sallyport.yaml' });
  }
  return layer;
}

/** The file as plain data. Everything in it is text: what `8080` or `yes` means is up to the setting. */
function parseSettingsFile(folder: string, mistakes: string[]): object {
  const text = readIfPresent('sallyport.yaml', folder, mistakes);
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
