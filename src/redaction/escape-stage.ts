import { CONTEXT } from './reader.js';
import type { Stage } from './stage.js';

/** Characters that a terminal does not show: controls but tab and line ends, and marks without a width. */
const INVISIBLE = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2060-\u2064\ufeff]/;
/** The same, and as JSON writes most of it. */
const INVISIBLE_OR_ESCAPED = new RegExp(`${INVISIBLE.source}|\\\\(?:[bf]|u00)`);
/**
 * What a terminal takes away or obeys: a character with a backspace over it, control sequences (ECMA-48), command strings such
 * as titles, other escapes, and what is invisible by itself.
 */
const SEQUENCES =
  /[^\x1b\r\n]\x08|\x1b[\]PX^_][^\x07\x1b\x9c\r\n]{0,512}(?:\x07|\x1b\\|\x9c)|(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,4}[@-~]|\x1b[ -/]{0,4}[0-~]?|[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2060-\u2064\ufeff]/g;
const LINE_END = /[\r\n]/;
/** A word, and the groups of digits before it: numbers are written with blanks, and so are IBANs. */
const LAST_WORD = /(?:[A-Z]{2}\d\d[A-Z\d ]{0,36}|[\d(+][\d ()+.-]{0,24})?[^\s«»]{0,64}$/;
const LONGEST_WORD = 104;

/** How much of a line without an end is judged at once, in characters. */
const LONGEST_SEGMENT = 8_192;
/** How much of what went out of the same line is looked at besides, for the labels of values. */
const LONGEST_BEFORE = 3 * CONTEXT;

/**
 * Finds what is interleaved with escapes: `hun\x1b[0mter2`. Stands before the stages that look at the text as it is. From the
 * word before an invisible character up to the end of the line the text is judged without such characters too, with what
 * stands before it in the line; if that shows something to mask, it goes on masked and without them, else as it came.
 *
 * Holds back the last word or number of an unfinished line, and the rest of a line in which there is something invisible.
 */
export class EscapeStage implements Stage {
  #held = '';
  /** The end of what went out of the same line, without what is invisible. */
  #before = '';

  /** @param redact masks a whole text, given what stands before it, and counts what it masks */
  constructor(private readonly redact: (text: string, before: string) => Judgement) {}

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
    if (at === -1) return this.#pass(final ? this.#held.length : lastWordStart(this.#held));
    const start = lastWordStart(this.#held.slice(0, at));
    if (start > 0) return this.#pass(start);
    const end = this.#held.slice(0, LONGEST_SEGMENT).search(LINE_END);
    if (end === -1 && !final && this.#held.length < LONGEST_SEGMENT) return '';
    const out = this.#judge(this.#take(end === -1 ? Math.min(this.#held.length, LONGEST_SEGMENT) : end));
    this.#remember(withoutEscapes(out));
    return out;
  }

  /** What has nothing invisible in it goes on as it is. */
  #pass(end: number): string {
    const out = this.#take(end);
    this.#remember(out);
    return out;
  }

  #judge(segment: string): string {
    const asItIs = this.redact(segment, this.#before);
    const plain = this.redact(withoutEscapes(segment), this.#before);
    if (plain.count > 0 && plain.count >= asItIs.count) return accepted(plain);
    if (asItIs.count === 0) return segment;
    // A sequence may swallow the beginning of what is plain to see in the text as it is.
    const rest = this.redact(withoutEscapes(asItIs.text), this.#before);
    asItIs.accept();
    return rest.count > 0 ? accepted(rest) : asItIs.text;
  }

  #remember(out: string): void {
    const lineStart = out.lastIndexOf('\n') + 1;
    const line = out.slice(Math.max(lineStart, out.length - LONGEST_BEFORE));
    this.#before = lineStart > 0 ? line : (this.#before + line).slice(-LONGEST_BEFORE);
  }

  #take(end: number): string {
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

/** Whether there is anything in a text, plain or written in JSON, that a terminal does not show. */
export function mayHide(text: string): boolean {
  return INVISIBLE_OR_ESCAPED.test(text);
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
