import { MASK_OPENING, type Masks } from './masks.js';

/** A set of characters: 1 at the index of each member's code. Anything else, the sentinels below included, is no member. */
export type CharSet = Uint8Array;

/** Builds a set from the inside of a regular expression's brackets: `charSet('A-Za-z0-9_')`. Knows codes below U+0250 (Latin). */
export function charSet(members: string): CharSet {
  const pattern = new RegExp(`[${members}]`);
  return Uint8Array.from({ length: 0x250 }, (_, code) => (pattern.test(String.fromCharCode(code)) ? 1 : 0));
}

export const DIGIT = charSet('0-9');
export const ALPHANUMERIC = charSet('A-Za-z0-9');
export const WORD = charSet('A-Za-z0-9_');
export const BLANK = charSet(' \\t');

/** Stands for the character beyond either end of the text, or for a mask just before it. */
const END = -1;
/** Stands for a character that has not arrived yet. */
export const UNKNOWN = -2;
/** Stands for a mask that begins here. */
export const MASK = -3;

/**
 * The text a recogniser looks at. Index 0 is the beginning of the stream, the end of a mask, or at least
 * {@link CONTEXT} characters before anything still undecided; so what recognisers see never depends on chunks.
 */
export class Window {
  constructor(
    readonly text: string,
    /** Whether nothing follows after the text. */
    readonly final: boolean,
    readonly masks: Masks,
    private latin: Uint8Array | null = null,
  ) {}

  /** The low byte of each character: what a search can run through fast. */
  get bytes(): Uint8Array {
    return (this.latin ??= Buffer.from(this.text, 'latin1'));
  }

  /** What is left from `at` on. */
  cut(at: number): Window {
    return new Window(this.text.slice(at), this.final, this.masks, this.latin?.subarray(at));
  }

  /** Code of the character at `at`, or one of the sentinels. */
  code(at: number): number {
    if (at < 0) return END;
    if (at >= this.text.length) return this.final ? END : UNKNOWN;
    const code = this.text.charCodeAt(at);
    return code === MASK_OPENING ? this.#openingQuote(at) : code;
  }

  isIn(set: CharSet, at: number): boolean {
    return set[this.code(at)] === 1;
  }

  /** At most `length` characters that stand before `at`. */
  before(at: number, length: number): string {
    return this.text.slice(Math.max(0, at - length), at);
  }

  #openingQuote(at: number): number {
    const end = this.masks.end(this.text, at, this.final);
    if (end === 'none') return MASK_OPENING;
    return end === 'more' ? UNKNOWN : MASK;
  }
}

/** How far to the left of its candidate a recogniser may look, in characters. */
export const CONTEXT = 128;

/** Something to mask: from `start` up to `end` (exclusive), and on as long as its tail goes. */
export interface Match {
  readonly start: number;
  readonly end: number;
  readonly tail?: Tail;
}

/**
 * What still belongs to a match after its certain part, of any length.
 * Says up to where the text at hand belongs to it, and whether it ended there.
 */
export type Tail = (window: Window, from: number) => { readonly end: number; readonly ended: boolean };

/** What a recogniser says of a candidate; `more` when the text ends before it can tell. */
export type Verdict = Match | 'none' | 'more';

/** The tail that goes on as long as characters are of the set. */
export function tailOf(set: CharSet): Tail {
  return (window, from) => {
    let end = from;
    while (window.isIn(set, end)) end += 1;
    return { end, ended: window.code(end) !== UNKNOWN };
  };
}

/**
 * Reads a shape step by step. The first step that fails, or lacks text, settles the verdict and the rest does nothing.
 * Runs are greedy and never give back, so a reading takes one look at each character.
 */
export class Reader {
  #state: 'reading' | 'none' | 'more' = 'reading';

  constructor(
    readonly window: Window,
    /** Index of the next character to read. */
    public at: number,
  ) {}

  get reading(): boolean {
    return this.#state === 'reading';
  }

  literal(text: string): this {
    for (let index = 0; this.reading && index < text.length; index += 1) this.#step(this.window.code(this.at) === text.charCodeAt(index));
    return this;
  }

  /** A literal in lower-case ASCII letters, matched in either case. */
  word(text: string): this {
    for (let index = 0; this.reading && index < text.length; index += 1) {
      const code = this.window.code(this.at);
      this.#step(code > 0 && (code | 0x20) === text.charCodeAt(index));
    }
    return this;
  }

  /** From `min` to `max` characters of the set, as many as there are. */
  run(set: CharSet, min: number, max: number): this {
    const from = this.at;
    while (this.reading && this.at - from < max && this.window.isIn(set, this.at)) this.at += 1;
    if (this.reading && this.at - from < max && this.window.code(this.at) === UNKNOWN) this.#state = 'more';
    else if (this.reading && this.at - from < min) this.#state = 'none';
    return this;
  }

  /** Fails when the next character is of the set, or is a mask: what touches a mask on its right is left as it is. */
  notBefore(set: CharSet): this {
    if (!this.reading) return this;
    const code = this.window.code(this.at);
    if (code === UNKNOWN) this.#state = 'more';
    else if (code === MASK || set[code] === 1) this.#state = 'none';
    return this;
  }

  /** Fails when the other reading matches; waits when that one does. */
  unless(other: Verdict): this {
    if (this.reading && other !== 'none') this.#state = other === 'more' ? 'more' : 'none';
    return this;
  }

  /** Fails unless the condition holds; it is asked only while the reading goes well. */
  check(condition: () => boolean): this {
    if (this.reading && !condition()) this.#state = 'none';
    return this;
  }

  /** What was read since `start`. */
  since(start: number): string {
    return this.window.text.slice(start, this.at);
  }

  /** The verdict; a reading that went well is a match from `start` to where it stands. */
  matchFrom(start: number, tail?: Tail): Verdict {
    if (this.#state !== 'reading') return this.#state;
    return tail ? { start, end: this.at, tail } : { start, end: this.at };
  }

  #step(fits: boolean): void {
    if (fits) this.at += 1;
    else this.#state = this.window.code(this.at) === UNKNOWN ? 'more' : 'none';
  }
}

/**
 * Whether a word goes on here from the left. An escape before it ends the word although it looks like letters: `\nAKIA…` in
 * JSON, `key%3DAKIA…` in an address.
 */
export function continuesWord(window: Window, at: number, members: CharSet = WORD): boolean {
  return window.isIn(members, at - 1) && !/(?:\\[nrt]|%[0-9A-Fa-f]{2})$/.test(window.before(at, 3));
}

/** The first reading that matches or lacks text. */
export function firstOf(...readings: readonly (() => Verdict)[]): Verdict {
  for (const reading of readings) {
    const verdict = reading();
    if (verdict !== 'none') return verdict;
  }
  return 'none';
}
