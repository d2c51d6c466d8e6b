import { randomBytes } from 'node:crypto';
import { Catalogue } from '../commands/catalogue.js';
import { CatalogueMistakes, formatFinding } from '../commands/catalogue-mistakes.js';
import { loadSettings } from '../config/settings.js';
import { loadRedaction } from '../load-redaction.js';
import { BUILTIN_NAMES } from '../executors/builtin.executor.js';
import { CliFailure, EXIT_REFUSED, print } from './cli-failure.js';

/** Loads settings and catalogue as a start would, and starts nothing. */
export async function check(options: { readonly json?: boolean }): Promise<void> {
  const { settings, catalogueVariable } = loadSettings();
  loadRedaction(settings);
  const catalogue = new Catalogue({
    directory: settings.CATALOGUE_DIR,
    workingDirectory: process.cwd(),
    variable: catalogueVariable,
    builtins: [...BUILTIN_NAMES],
    // No call is prepared here, so no digest outlives this program; DATA_DIR is left alone.
    secretKey: () => randomBytes(32),
    reveal: () => Promise.reject(new Error('Nothing is run here.')),
    defaults: { timeoutMs: settings.RUN_TIMEOUT, outputBytes: settings.OUTPUT_LIMIT },
  });
  const mistakes = await mistakesOf(catalogue);
  const { warnings } = catalogue;
  const commands = catalogue.all().map(({ name }) => name);
  // Whether they are set is for `secrets list` to say: no store is opened here.
  const secrets = catalogue.missingSecrets(new Set());
  print({ ok: mistakes.length === 0, commands, secrets, mistakes, warnings }, options, () =>
    [
      ...mistakes.map((mistake) => `mistake  ${formatFinding(mistake)}`),
      ...warnings.map((warning) => `warning  ${formatFinding(warning)}`),
      ...(secrets.length > 0 ? [`The commands need these secrets: ${secrets.join(', ')}.`] : []),
      mistakes.length === 0
        ? `The settings are valid; the catalogue declares ${commands.length} commands.`
        : `The catalogue has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}.`,
    ].join('\n'),
  );
  if (mistakes.length > 0) throw new CliFailure('', EXIT_REFUSED);
}

async function mistakesOf(catalogue: Catalogue): Promise<CatalogueMistakes['mistakes']> {
  try {
    await catalogue.reload();
    return [];
  } catch (error) {
    if (error instanceof CatalogueMistakes) return error.mistakes;
    throw error;
  }
}
