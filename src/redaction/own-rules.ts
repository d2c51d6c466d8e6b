import { z } from 'zod';
import { HINT_SPAN, type Detector } from './detectors.js';
import { Reader, WORD, charSet, continuesWord, tailOf, type CharSet, type Verdict, type Window } from './reader.js';

/** Why a file of rules is refused: where in it, and what is wrong. */
export interface RuleMistake {
  readonly path: string;
  readonly message: string;
}

/** One step of a pattern: so many characters of a set. */
interface Step {
  readonly members: string;
  readonly set: CharSet;
  readonly min: number;
  /** Infinity only in the last step. */
  readonly max: number;
}

const SHORTEST_BEGINNING = 3;
const LONGEST_MATCH = 512;
/** How far before a match one of its words may stand, in characters. */
const NEAR = 48;

const ruleSchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_]{1,31}$/, { error: 'expected small letters, digits and _, beginning with a letter' }),
  pattern: z.string().min(1).max(500),
  near: z
    .array(z.string().regex(/^[A-Za-z][A-Za-z0-9 _-]{1,39}$/, { error: 'expected a word' }))
    .min(1)
    .max(20)
    .optional(),
});
const fileSchema = z.strictObject({ rules: z.array(ruleSchema).max(100) });

type Rule = z.output<typeof ruleSchema>;

/**
 * Detectors from the data of a rules file. A pattern is a row of characters, `\d`, `\w` and classes such as `[A-Z0-9]`, each
 * with `{n}`, `{n,m}` or `?`, the last also with `+`: what can be read from left to right without ever going back, hence in
 * linear time.
 */
export function readOwnRules(content: unknown): { readonly detectors: readonly Detector[]; readonly mistakes: readonly RuleMistake[] } {
  const parsed = fileSchema.safeParse(content);
  if (!parsed.success) {
    const mistakes = parsed.error.issues.map(({ path, message }) => ({ path: path.join('.'), message }));
    return { detectors: [], mistakes };
  }
  const mistakes: RuleMistake[] = [];
  const detectors = parsed.data.rules.flatMap((rule, index) => {
    const steps = stepsOf(rule.pattern);
    if (typeof steps !== 'string') return [detectorOf(rule, steps)];
    mistakes.push({ path: `rules.${index}.pattern`, message: steps });
    return [];
  });
  return { detectors, mistakes };
}

const PART = /(\\[dw]|\\[^A-Za-z0-9]|\[[^\]\\^]+\]|[^\\[\](){}|^$.*+?])(\{\d{1,3}(?:,\d{1,3})?\}|[?+])?/y;

/** The steps, or what is wrong. */
function stepsOf(pattern: string): readonly Step[] | string {
  const steps: Step[] = [];
  PART.lastIndex = 0;
  while (PART.lastIndex < pattern.length) {
    const at = PART.lastIndex;
    const [, part = '', repeat] = PART.exec(pattern) ?? [];
    if (part === '')
      return `cannot be read from character ${at + 1} on: groups, alternatives, anchors, "." and "*" are not among what a pattern may have`;
    steps.push(stepOf(part, repeat));
  }
  return mistakeIn(steps) ?? steps;
}

function stepOf(part: string, repeat: string | undefined): Step {
  const members = membersOf(part);
  const set = charSet(members);
  if (repeat === '?') return { members, set, min: 0, max: 1 };
  if (repeat === '+') return { members, set, min: 1, max: Infinity };
  const [min = 1, max = min] = (repeat?.match(/\d+/g) ?? []).map(Number);
  return { members, set, min, max };
}

function membersOf(part: string): string {
  if (part === '\\d') return '0-9';
  if (part === '\\w') return 'A-Za-z0-9_';
  if (part.startsWith('[')) return part.slice(1, -1);
  return part.slice(-1).replace(/[\\\]^-]/, '\\$&');
}

function mistakeIn(steps: readonly Step[]): string | undefined {
  const fixed = steps.findIndex((step) => step.min !== 1 || step.max !== 1 || sizeOf(step.set) !== 1);
  if ((fixed === -1 ? steps.length : fixed) < SHORTEST_BEGINNING) return `must begin with at least ${SHORTEST_BEGINNING} fixed characters`;
  for (const [index, step] of steps.entries()) {
    const next = steps[index + 1];
    if (step.max < step.min || sizeOf(step.set) === 0) return `part ${index + 1} matches nothing`;
    if (step.max === Infinity && next) return 'has "+" before its end';
    if (next && step.min !== step.max && step.set.some((member, code) => member === 1 && next.set[code] === 1))
      return `part ${index + 1} may be of several lengths and the next begins alike: where one ends cannot be told at once`;
  }
  const length = steps.reduce((sum, { min, max }) => sum + (max === Infinity ? min : max), 0);
  return length > LONGEST_MATCH ? `matches more than ${LONGEST_MATCH} characters` : undefined;
}

function sizeOf(set: CharSet): number {
  return set.reduce((sum, member) => sum + member, 0);
}

function detectorOf({ name, near }: Rule, steps: readonly Step[]): Detector {
  const words = near ? new RegExp(`(?:${near.join('|')})[^\\n]{0,${NEAR}}$`, 'i') : null;
  const [first, second, third] = steps.map(({ members }) => members);
  const beginning = steps.slice(0, SHORTEST_BEGINNING).map(({ members }) => `[${members}]`);
  return {
    kind: name,
    opens: [first ?? '', second ?? '', third ?? ''],
    hint: beginning.slice(0, HINT_SPAN).join(''),
    recognise: (window, at) => read(window, at, steps, words),
  };
}

function read(window: Window, at: number, steps: readonly Step[], near: RegExp | null): Verdict {
  if (continuesWord(window, at) || (near && !near.test(window.before(at, NEAR + 40)))) return 'none';
  const reader = new Reader(window, at);
  for (const { set, min, max } of steps) reader.run(set, min, max === Infinity ? min : max);
  const last = steps.at(-1);
  return last?.max === Infinity ? reader.matchFrom(at, tailOf(last.set)) : reader.notBefore(WORD).matchFrom(at);
}
