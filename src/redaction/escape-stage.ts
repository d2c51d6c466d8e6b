import type { Stage } from './stage.js';

/** Characters that a terminal does not show: controls but tab and line ends, and marks without a width. */
const INVISIBLE = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2060-\u2064\ufeff]/;
/**
 * What a terminal takes away or obeys: a character with a backspace over it, control sequences (ECMA-48), command strings such
 * as titles, other escapes, and what is invisible by itself.
 */
const SEQUENCES =
  /[^\x1b\r\n]\x08|\x1b[\]PX^_][^\x07\x1b\x9c\r\n]{0,512}(?:\x07|\x1b\\|\x9c)|(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,4}[@-~]|\x1b[ -/]{0,4}[0-~]?|[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2060-\u2064\ufeff]/g;
const LINE_END = /[\r\n]/;
/** A word, and the groups of digits before it: numbers are written with blanks. */
const LAST_WORD = /(?:[\d(+][\d ()+.-]{0,24})?[^\s«»]{0,64}$/;
const LONGEST_WORD = 96;

/** How much of a line without an end is judged at once, in characters. */
const LONGEST_SEGMENT = 8_192;
/**
 * Finds what is interleaved with escapes: `hun\x1b[0mter2`. Stands before the stages that look at the text as it is. From the
 * word before an invisible character up to the end of the line the text is judged without such characters too; if that shows
 * something to mask, it goes on masked and without them, else as it came.
 *
 * Holds back the last word or number of an unfinished line, and the rest of a line in which there is something invisible.
 */
export class EscapeStage implements Stage {
  #held = '';

  /** @param redact masks a whole text, and counts what it masks */
  constructor(private readonly redact: (text: string) => Judgement) {}

  push(text: string): string {
    this.#held += text;
    return this.#advance(false);
  }

  end(): string {
    return this.#advance(true);
  }

  #advance(final: boolean): string {
    const out: string[] = [];
    for (let piece = this.#next(final); piece !== ''; piece = this.#next(final)) out.push(piece);
    return out.join('');
  }

  /** The next piece that is settled; empty when more text is needed. */
  #next(final: boolean): string {
    const at = this.#held.search(INVISIBLE);
    if (at === -1) return this.#release(final ? this.#held.length : lastWordStart(this.#held));
    const start = lastWordStart(this.#held.slice(0, at));
    if (start > 0) return this.#release(start);
    const end = this.#held.slice(0, LONGEST_SEGMENT).search(LINE_END);
    if (end === -1 && !final && this.#held.length < LONGEST_SEGMENT) return '';
    return this.#judge(end === -1 ? Math.min(this.#held.length, LONGEST_SEGMENT) : end);
  }

  #judge(end: number): string {
    const segment = this.#release(end);
    const asItIs = this.redact(segment);
    const plain = this.redact(withoutEscapes(segment));
    if (plain.count > 0 && plain.count >= asItIs.count) return accepted(plain);
    // A sequence may swallow the beginning of what is plain to see in the text as it is.
    const rest = this.redact(withoutEscapes(asItIs.text));
    if (asItIs.count > 0) asItIs.accept();
    return rest.count > 0 ? accepted(rest) : asItIs.text;
  }

  #release(end: number): string {
    const out = this.#held.slice(0, end);
    this.#held = this.#held.slice(end);
    return out;
  }
}

/** A text masked; `accept` counts its masks. */
export interface Judgement {
  readonly text: string;
  readonly count: number;
  accept(): void;
}

function lastWordStart(text: string): number {
  return text.length - (LAST_WORD.exec(text.slice(-LONGEST_WORD))?.[0].length ?? 0);
}

function accepted(judgement: Judgement): string {
  judgement.accept();
  return judgement.text;
}

function withoutEscapes(text: string): string {
  return text.replace(SEQUENCES, '');
}
