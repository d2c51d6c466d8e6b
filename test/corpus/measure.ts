import { REDACTION_KINDS, type RedactionKind } from '../../src/redaction/masks.js';
import { createRedactor, redactText } from '../../src/redaction/redact-text.js';
import { Chance } from './chance.js';
import { LOOK_ALIKES } from './look-alikes.js';
import { SORTS } from './positives.js';

export interface Figures {
  readonly kind: RedactionKind;
  readonly samples: number;
  readonly found: number;
  /** Masks of this kind where nothing of it was. */
  readonly wrong: number;
}

/** What was missed or masked without cause, for people. */
export interface Mistake {
  readonly kind: string;
  readonly what: string;
  readonly text: string;
  readonly became: string;
}

const SAMPLES_OF_A_KIND = 300;
const OF_EACH_LOOK_ALIKE = 60;

/** Draws samples of every kind and as many look-alikes, and counts. The same seed gives the same figures. */
export function measure(seed: number): { readonly figures: readonly Figures[]; readonly mistakes: readonly Mistake[] } {
  const chance = new Chance(seed);
  const mistakes: Mistake[] = [];
  const found = new Map<string, number>();
  const wrong = new Map<string, number>();
  const count = (counts: Map<string, number>, kind: string): void => void counts.set(kind, (counts.get(kind) ?? 0) + 1);
  for (const [kind, { draw, places }] of Object.entries(SORTS)) {
    for (let sample = 0; sample < SAMPLES_OF_A_KIND; sample += 1) {
      const thing = chance.pick(draw)(chance);
      const text = chance.pick(places).replace('□', () => thing);
      const { kinds, became } = kindsIn(text);
      const isFound = kinds.includes(kind) && !became.includes(thing);
      if (isFound) count(found, kind);
      else mistakes.push({ kind, what: 'missed', text, became });
      // One thing, one mask: others beside it are wrong ones. A mask of another kind instead of ours is counted there.
      const others = isFound ? kinds.toSpliced(kinds.indexOf(kind), 1) : kinds;
      for (const other of others) {
        count(wrong, other);
        mistakes.push({ kind: other, what: `in ${kind}`, text, became });
      }
    }
  }
  for (const [what, make] of Object.entries(LOOK_ALIKES)) {
    for (let sample = 0; sample < OF_EACH_LOOK_ALIKE; sample += 1) {
      const text = make(chance);
      const { kinds, became } = kindsIn(text);
      for (const kind of kinds) {
        count(wrong, kind);
        mistakes.push({ kind, what, text, became });
      }
    }
  }
  const figures = REDACTION_KINDS.filter((kind) => kind !== 'secret').map((kind) => ({
    kind,
    samples: SAMPLES_OF_A_KIND,
    found: found.get(kind) ?? 0,
    wrong: wrong.get(kind) ?? 0,
  }));
  return { figures, mistakes };
}

function kindsIn(text: string): { readonly kinds: string[]; readonly became: string } {
  const kinds: string[] = [];
  const redactor = createRedactor({ onRedaction: (kind) => kinds.push(kind) });
  const became = redactor.push(text) + redactor.end();
  if (became !== redactText(text).text) throw new Error('the ways to redact differ');
  return { kinds, became };
}

export function recallOf({ found, samples }: Figures): number {
  return found / samples;
}

export function precisionOf({ found, wrong }: Figures): number {
  return found + wrong === 0 ? 0 : found / (found + wrong);
}
