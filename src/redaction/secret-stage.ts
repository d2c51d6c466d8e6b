import { MASK_OPENING, maskOf, type Masks } from './masks.js';
import { ROOT, SecretAutomaton } from './secret-automaton.js';
import type { Stage } from './stage.js';

/** Where encoders break their lines: `xxd -p`, PEM, MIME and `base64`. A secret is found across a break at one of these columns. */
const WRAP_COLUMNS = [60, 64, 76];
/** Released text that is kept to tell the column, in characters: the widest line, its carriage return, and the line feed before it. */
const CONTEXT = 80;
/** A hint is at most six characters long: near the end of the text it may be incomplete. */
const HINT_SPAN = 6;

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** A stretch to mask. `masked`: its mask is out already, and what follows of it is only to be dropped. */
interface Stretch {
  start: number;
  end: number;
  masked: boolean;
}

/**
 * Masks exact values. Occurrences that overlap get one mask together, so nothing of a secret remains beside it; masks that
 * are in the text already are neither looked into nor matched across.
 */
export class SecretStage implements Stage {
  /** Some context that is already released, then what is not. Cut after every mask that was in the input. */
  #text = '';
  #released = 0;
  #at = 0;
  #node = ROOT;
  /** Places of the line breaks passed over since the automaton left its root, ascending. */
  #breaks: number[] = [];
  /** Found and not yet settled, ascending and apart. */
  #found: Stretch[] = [];
  #atStart = true;
  #final = false;

  /** @param before what stands before the input in its line and has gone out already: of a secret that begins there the rest is masked */
  constructor(
    private readonly automaton: SecretAutomaton,
    private readonly masks: Masks,
    private readonly onRedaction: (kind: string) => void,
    before = '',
  ) {
    this.#text = before;
    this.#released = before.length;
  }

  push(text: string): string {
    this.#text += text;
    return this.#scan();
  }

  end(): string {
    this.#final = true;
    return this.#scan();
  }

  #scan(): string {
    const out: string[] = [];
    while (this.#at < this.#text.length) {
      if (this.#node === ROOT) this.#at = this.#nextCandidate();
      const code = this.#text.charCodeAt(this.#at);
      const mask = code === MASK_OPENING ? this.masks.end(this.#text, this.#at, this.#final) : 'none';
      if (mask === 'more') break;
      if (mask === 'none') this.#take(code);
      else out.push(this.#passMask(mask));
    }
    out.push(this.#release());
    return out.join('');
  }

  #nextCandidate(): number {
    const sure = this.#text.length - HINT_SPAN;
    if (this.#at >= sure) return this.#at;
    const { hints } = this.automaton;
    hints.lastIndex = this.#at;
    return Math.min(hints.exec(this.#text)?.index ?? sure, sure);
  }

  #take(code: number): void {
    const wrap = this.#isWrap(code);
    if (wrap) this.#breaks.push(this.#at);
    else this.#node = this.automaton.step(this.#node, code);
    this.#at += 1;
    if (this.#node === ROOT) this.#breaks = [];
    const length = wrap ? 0 : this.automaton.matchLength(this.#node);
    if (length > 0) this.#add(this.#startOf(length), this.#at);
  }

  /** Whether this is a line break to pass over: amid a form, at an encoder's column, and not itself what the form has here. */
  #isWrap(code: number): boolean {
    if ((code !== LINE_FEED && code !== CARRIAGE_RETURN) || this.#node === ROOT) return false;
    if (this.automaton.child(this.#node, code) !== ROOT) return false;
    const end = code === LINE_FEED && this.#text.charCodeAt(this.#at - 1) === CARRIAGE_RETURN ? this.#at - 1 : this.#at;
    return WRAP_COLUMNS.some((column) => this.#isLine(end - column, end));
  }

  #isLine(start: number, end: number): boolean {
    const begins = start === 0 ? this.#atStart : start > 0 && this.#text.charCodeAt(start - 1) === LINE_FEED;
    return begins && !this.#text.slice(start, end).includes('\n');
  }

  /** Where the last `length` matched characters begin. */
  #startOf(length: number): number {
    let start = this.#at - length;
    for (let index = this.#breaks.length - 1; index >= 0 && (this.#breaks[index] ?? 0) >= start; index -= 1) start -= 1;
    return start;
  }

  #add(start: number, end: number): void {
    const stretch: Stretch = { start, end, masked: false };
    for (let last = this.#found.at(-1); last && last.end > stretch.start; last = this.#found.at(-1)) {
      stretch.start = Math.min(stretch.start, last.start);
      stretch.masked ||= last.masked;
      this.#found.pop();
    }
    this.#found.push(stretch);
  }

  /** A mask in the input: everything before is settled, it goes out as it is, and what follows begins anew. */
  #passMask(end: number): string {
    const out = this.#settle(this.#at) + this.#text.slice(Math.max(this.#at, this.#released), end);
    this.#text = this.#text.slice(end);
    this.#released = Math.max(0, this.#released - end);
    this.#at = 0;
    this.#node = ROOT;
    this.#breaks = [];
    this.#found = [];
    this.#atStart = false;
    return out;
  }

  /** Lets go of everything before the longest beginning of a form that the text ends with. */
  #release(): string {
    const safe = this.#final ? this.#text.length : this.#startOf(this.automaton.depth(this.#node));
    const out = this.#settle(safe);
    this.#found = this.#found.filter(({ end }) => end > safe);
    this.#trim(Math.max(0, safe - CONTEXT));
    return out;
  }

  /** The text up to `safe`, masked. No later match can begin before that. */
  #settle(safe: number): string {
    const out: string[] = [];
    for (const stretch of this.#found) {
      if (stretch.start >= safe) break;
      if (!stretch.masked && stretch.end > this.#released) {
        out.push(this.#text.slice(this.#released, stretch.start), maskOf('secret'));
        this.onRedaction('secret');
      }
      stretch.masked = true;
      this.#released = Math.max(this.#released, stretch.end);
    }
    if (safe > this.#released) {
      out.push(this.#text.slice(this.#released, safe));
      this.#released = safe;
    }
    return out.join('');
  }

  #trim(dropped: number): void {
    if (dropped === 0) return;
    this.#text = this.#text.slice(dropped);
    this.#atStart = false;
    this.#released -= dropped;
    this.#at -= dropped;
    this.#breaks = this.#breaks.filter((place) => place >= dropped).map((place) => place - dropped);
    this.#found = this.#found.map(({ start, end, masked }) => ({ start: start - dropped, end: end - dropped, masked }));
  }
}
