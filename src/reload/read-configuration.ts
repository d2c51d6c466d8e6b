import { basename } from 'node:path';
import type { Catalogue, PreparedCatalogue } from '../commands/catalogue.js';
import { CatalogueMistakes, type CatalogueFinding } from '../commands/catalogue-mistakes.js';
import type { LiveSettings, PreparedSettings } from '../config/live-settings.js';
import { SettingsError } from '../config/settings.js';
import { GatewayError, type FieldError } from '../domain/errors.js';

const MOST_MISTAKES_ANSWERED = 100;

/** Everything that is wrong with settings and catalogue. */
export class ConfigurationMistakes extends Error {
  constructor(readonly mistakes: readonly FieldError[]) {
    super('The configuration has mistakes.');
  }

  toGatewayError(): GatewayError {
    return new GatewayError('configuration_mistaken', 'Nothing was reloaded: what is in force stays as it is.', {
      errors: this.mistakes.slice(0, MOST_MISTAKES_ANSWERED),
      cause: this,
    });
  }
}

/** Reads settings and catalogue, the catalogue as the new settings would have it; changes nothing. */
export async function readConfiguration(
  settings: LiveSettings,
  catalogue: Catalogue,
): Promise<{ readonly catalogue: PreparedCatalogue; readonly settings: PreparedSettings } | ConfigurationMistakes> {
  const mistakes: FieldError[] = [];
  const newSettings = prepareSettings(settings, mistakes);
  const newCatalogue = await prepareCatalogue(catalogue, newSettings, mistakes);
  return newSettings && newCatalogue ? { settings: newSettings, catalogue: newCatalogue } : new ConfigurationMistakes(mistakes);
}

function prepareSettings(settings: LiveSettings, mistakes: FieldError[]): PreparedSettings | undefined {
  try {
    return settings.prepare();
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    mistakes.push(...error.mistakes.map((message) => ({ path: 'settings', message })));
    return undefined;
  }
}

async function prepareCatalogue(
  catalogue: Catalogue,
  settings: PreparedSettings | undefined,
  mistakes: FieldError[],
): Promise<PreparedCatalogue | undefined> {
  try {
    if (!settings) return await catalogue.prepare();
    const { RUN_TIMEOUT: timeoutMs, OUTPUT_LIMIT: outputBytes } = settings.next.settings;
    return await catalogue.prepare({ variable: settings.next.catalogueVariable, defaults: { timeoutMs, outputBytes } });
  } catch (error) {
    if (!(error instanceof CatalogueMistakes)) throw error;
    mistakes.push(...error.mistakes.map(shown));
    return undefined;
  }
}

/** Of the file the name alone: callers learn no path of the host. */
function shown({ file, line, column, path, message }: CatalogueFinding): FieldError {
  const place = line === 0 ? basename(file) : `${basename(file)}:${line}:${column}`;
  return { path: path === '' ? place : `${place} ${path}`, message };
}
