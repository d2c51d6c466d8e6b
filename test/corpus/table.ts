import { type Figures, type Mistake, measure, precisionOf, recallOf } from './measure.js';
import { LOOK_ALIKES } from './look-alikes.js';
import type { OrdinaryText } from './ordinary.js';
import { redactText } from '../../src/redaction/redact-text.js';

/** The seed of the published table. */
export const PUBLISHED_SEED = 20_261_121;

export function falseHitsPerMegabyte(texts: readonly OrdinaryText[]): { readonly hits: number; readonly megabytes: number } {
  let hits = 0;
  let characters = 0;
  for (const { text } of texts) {
    hits += redactText(text).count;
    characters += text.length;
  }
  return { hits, megabytes: characters / 1_000_000 };
}

/** The table of docs/redaction.md. */
export function corpusTable(): string {
  const { figures, mistakes } = measure(PUBLISHED_SEED);
  const rows = figures.map((row) => `| \`${row.kind}\` | ${row.samples} | ${recallOf(row).toFixed(3)} | ${precisionOf(row).toFixed(3)} |`);
  return ['| kind | samples | recall | precision |', '| --- | --- | --- | --- |', ...rows, '', summary(figures, mistakes)].join('\n');
}

function summary(figures: readonly Figures[], mistakes: readonly Mistake[]): string {
  const samples = figures.reduce((sum, { samples }) => sum + samples, 0);
  const missed = mistakes.filter(({ what }) => what === 'missed').length;
  return `${samples} samples of ${figures.length} kinds, ${missed} missed; ${Object.keys(LOOK_ALIKES).length} sorts of look-alikes, ${mistakes.length - missed} masks without cause.`;
}
