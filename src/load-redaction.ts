import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { SettingsError } from './config/settings.js';
import type { Settings } from './config/settings.schema.js';
import { DETECTORS } from './redaction/detectors.js';
import { REDACTION_KINDS } from './redaction/masks.js';
import { readOwnRules } from './redaction/own-rules.js';
import { Redaction } from './redaction/redaction.js';

type RedactionSettings = Pick<Settings, 'REDACTION_OFF' | 'REDACTION_RULES'>;

/** Declared secrets and our own keys are always masked. */
const ALWAYS_ON = ['secret', 'api_key'];

/**
 * What this gateway masks, by its settings.
 * @throws SettingsError with every mistake in them and in the file of rules
 */
export function loadRedaction({ REDACTION_OFF = [], REDACTION_RULES }: RedactionSettings): Redaction {
  const kinds: readonly string[] = REDACTION_KINDS;
  const mistakes = REDACTION_OFF.filter((kind) => !kinds.includes(kind) || ALWAYS_ON.includes(kind)).map(
    (kind) => `REDACTION_OFF: "${kind.slice(0, 40)}" is no kind that can be off`,
  );
  const rules = REDACTION_RULES === undefined ? { detectors: [], mistakes: [] } : readOwnRules(contentOf(REDACTION_RULES, mistakes));
  mistakes.push(...rules.mistakes.map(({ path, message }) => `REDACTION_RULES: ${[path, message].filter(Boolean).join(': ')}`));
  const names = rules.detectors.map(({ kind }) => kind);
  for (const name of new Set(names)) if (kinds.includes(name)) mistakes.push(`REDACTION_RULES: "${name}" is the name of a kind of ours`);
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  return new Redaction([...DETECTORS.filter(({ kind }) => !REDACTION_OFF.includes(kind)), ...rules.detectors], [...new Set(names)]);
}

function contentOf(file: string, mistakes: string[]): unknown {
  try {
    const document = parseDocument(readFileSync(file, 'utf8'), { uniqueKeys: true, logLevel: 'error' });
    if (document.errors.length === 0) return document.toJS({ maxAliasCount: 0 }) as unknown;
    mistakes.push(`REDACTION_RULES: not readable as YAML (line ${document.errors[0]?.linePos?.[0].line ?? '?'})`);
  } catch {
    mistakes.push('REDACTION_RULES: expected a YAML file that can be read');
  }
  return { rules: [] };
}
