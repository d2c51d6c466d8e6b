import type { DetectorSet } from './detector-set.js';
import { localPartStart } from './email.js';
import { MASK_OPENING, maskOf } from './masks.js';
import { CONTEXT, Window, type Match, type Tail } from './reader.js';
import type { Stage } from './stage.js';

const LONGEST_PROMPT = 40;
const PROMPT = /^[A-Za-z][A-Za-z_-]{2,30}[:=][ \t]{0,4}$/;

/** What a place holds: a match of a kind, a mask that was there before, nothing, or it cannot be told yet. */
type Finding = { readonly kind: string; readonly match: Match } | { readonly maskEnd: number } | 'none' | 'more';

/**
 * Masks what the detectors recognise. Every decision depends on a bounded stretch of text around its place and is taken only
 * when that stretch is known, from left to right; that is why chunks do not matter.
 */
export class DetectorStage implements Stage {
  /** Some context that is already released, then what is not. Cut after every mask. */
  #text = '';
  #released = 0;
  /** Everything before is decided. */
  #decided = 0;
  /** Set while a match goes on beyond the text at hand. */
  #tail: Tail | null = null;
  #final = false;

  /** @param before what stands before the input and has gone out already: it is looked at, and nothing in it is masked */
  constructor(
    private readonly detectors: DetectorSet,
    private readonly onRedaction: (kind: string) => void,
    before = '',
  ) {
    this.#text = before;
    this.#released = before.length;
  }

  push(text: string): string {
    this.#text += text;
    return this.#decide();
  }

  end(): string {
    this.#final = true;
    return this.#decide();
  }

  #decide(): string {
    const out: string[] = [];
    let window = this.#cut(new Window(this.#text, this.#final, this.detectors.masks), 0);
    while (this.#tail === null) {
      this.#decided = this.detectors.nextCandidate(window, this.#decided);
      if (this.#decided >= window.text.length) break;
      const finding = this.#find(window, this.#decided);
      if (finding === 'more') break;
      if (finding === 'none') this.#decided += 1;
      else if ('maskEnd' in finding) {
        out.push(window.text.slice(this.#released, finding.maskEnd));
        window = this.#cut(window, finding.maskEnd);
      } else if (finding.match.start < this.#released) {
        // It begins in what has gone out, where the stage that saw it go masks it.
        const end = finding.match.tail?.(window, finding.match.end).end ?? finding.match.end;
        out.push(window.text.slice(this.#released, end));
        window = this.#cut(window, end);
      } else {
        out.push(window.text.slice(this.#released, finding.match.start), maskOf(finding.kind));
        this.onRedaction(finding.kind);
        this.#tail = finding.match.tail ?? null;
        window = this.#cut(window, finding.match.end);
      }
    }
    out.push(this.#release(window));
    return out.join('');
  }

  /** Drops the text up to `end`, and on to the end of the match that is under way. */
  #cut(window: Window, end: number): Window {
    if (end === 0 && this.#tail === null) return window;
    const state = this.#tail?.(window, end);
    if (state?.ended) this.#tail = null;
    const cut = state?.end ?? end;
    this.#released = Math.max(0, this.#released - cut);
    this.#decided = 0;
    return window.cut(cut);
  }

  /** Lets go of everything that no undecided match can begin in; keeps the context that later decisions look at. */
  #release(window: Window): string {
    if (this.#tail !== null) {
      this.#text = window.text;
      return '';
    }
    const safe =
      window.final || this.#isPrompt(window) ? window.text.length : Math.max(this.#released, localPartStart(window, this.#decided));
    const out = window.text.slice(this.#released, safe);
    const dropped = Math.max(0, Math.min(safe, this.#decided) - CONTEXT);
    this.#text = window.text.slice(dropped);
    this.#released = safe - dropped;
    this.#decided -= dropped;
    return out;
  }

  /** Whether the undecided text is a label that waits for its value, `Password: `: what will be masked begins after it. */
  #isPrompt({ text }: Window): boolean {
    return text.length - this.#decided <= LONGEST_PROMPT && PROMPT.test(text.slice(this.#decided));
  }

  #find(window: Window, at: number): Finding {
    const code = window.text.charCodeAt(at);
    if (code === MASK_OPENING) {
      const end = window.masks.end(window.text, at, window.final);
      return typeof end === 'number' ? { maskEnd: end } : end;
    }
    for (const { kind, recognise } of this.detectors.beginningWith(code)) {
      const verdict = recognise(window, at);
      if (verdict === 'more') return 'more';
      if (verdict !== 'none') return { kind, match: verdict };
    }
    return 'none';
  }
}
