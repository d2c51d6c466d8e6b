import { HINT_SPAN, type Detector } from './detectors.js';
import { MASK_OPENING, Masks } from './masks.js';
import { charSet, type Window } from './reader.js';

const SIZE = 0x10000;
const PERCENT = '%'.charCodeAt(0);
const NO_DETECTORS: readonly Detector[] = [];

/** Detectors made ready to search: pairs of characters say where one may begin, hints whether it is worth a look. */
export class DetectorSet {
  readonly masks: Masks;
  readonly #byFirst = new Map<number, readonly Detector[]>();
  readonly #hints = new Map<number, RegExp>();
  /** 1 at the index made of the low bytes of two neighbours' codes: something may begin there. Characters that share a byte cost a look. */
  readonly #pairs = new Uint8Array(SIZE);
  /** The same for a candidate's second and third character. */
  readonly #nextPairs = new Uint8Array(SIZE);

  constructor(detectors: readonly Detector[], ownKinds: readonly string[] = []) {
    this.masks = new Masks(ownKinds);
    this.#pairs.fill(1, MASK_OPENING << 8, (MASK_OPENING + 1) << 8);
    this.#nextPairs.fill(1, 'r'.charCodeAt(0) << 8, ('r'.charCodeAt(0) + 1) << 8);
    for (const detector of detectors) this.#add(detector);
    for (const [code, list] of this.#byFirst) this.#hints.set(code, new RegExp(list.map(({ hint }) => hint).join('|'), 'y'));
  }

  /** The detectors whose candidates begin with this character code. */
  beginningWith(code: number): readonly Detector[] {
    return this.#byFirst.get(code) ?? NO_DETECTORS;
  }

  /**
   * The next place that deserves a look, or the end of the text. Near the end, where a hint may be incomplete, and at the
   * beginning, whose left neighbour may be a mask, that takes no more than a pair that something begins with.
   */
  nextCandidate(window: Window, from: number): number {
    const { text, bytes } = window;
    const sure = text.length - HINT_SPAN;
    if (from === 0 && this.#mayBegin(bytes, 0)) return 0;
    let at = this.#search(text, bytes, from, sure);
    if (at < sure) return at;
    while (at < text.length && !this.#mayBegin(bytes, at)) at += 1;
    return at;
  }

  #mayBegin(bytes: Uint8Array, at: number): boolean {
    const next = bytes[at + 1];
    return next === undefined || this.#pairs[((bytes[at] ?? 0) << 8) | next] === 1;
  }

  /** Whether anything of a whole text deserves a look. */
  mayMatch(text: string): boolean {
    return this.#search(text, Buffer.from(text, 'latin1'), 0, text.length - 1) < text.length - 1;
  }

  #search(text: string, bytes: Uint8Array, from: number, until: number): number {
    const pairs = this.#pairs;
    const nextPairs = this.#nextPairs;
    let code = bytes[from] ?? 0;
    for (let at = from; at < until; at += 1) {
      const next = bytes[at + 1] as number;
      if (pairs[(code << 8) | next] === 1 && nextPairs[(next << 8) | (bytes[at + 2] ?? 0)] === 1 && this.#isCandidate(text, at)) return at;
      code = next;
    }
    return Math.max(from, until);
  }

  #isCandidate(text: string, at: number): boolean {
    const code = text.charCodeAt(at);
    if (code === MASK_OPENING) return true;
    // A number is looked at from its first digit; an escape before it ends in one too.
    if (isDigit(code) && isDigit(text.charCodeAt(at - 1)) && text.charCodeAt(at - 3) !== PERCENT) return false;
    const hints = this.#hints.get(code);
    if (hints === undefined) return false;
    hints.lastIndex = at;
    return hints.test(text);
  }

  #add(detector: Detector): void {
    const [first, second, third] = detector.opens.map(codesOf);
    for (const code of first ?? []) {
      this.#byFirst.set(code, [...(this.#byFirst.get(code) ?? []), detector]);
      for (const next of second ?? []) this.#pairs[pairOf(code, next)] = 1;
    }
    for (const code of second ?? []) for (const next of third ?? []) this.#nextPairs[pairOf(code, next)] = 1;
  }
}

const known = new Map<string, readonly number[]>();

function codesOf(members: string): readonly number[] {
  const before = known.get(members);
  if (before) return before;
  const set = charSet(members);
  const codes = Array.from(set.keys()).filter((code) => set[code] === 1);
  known.set(members, codes);
  return codes;
}

function pairOf(first: number, second: number): number {
  return ((first & 0xff) << 8) | (second & 0xff);
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
