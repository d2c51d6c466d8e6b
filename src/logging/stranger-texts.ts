import { sanitiseLogText } from '../redaction/for-people.js';
import type { Redaction } from '../redaction/redaction.js';
import { tameJson } from './json-text.js';

const MOST_KNOWN = 1_000;

/**
 * Texts that strangers wrote, as JSON for a log line: cut, harmless, masked. Few different ones come often (user agents, addresses):
 * those in which nothing was found are kept, so that each is looked through once.
 */
export class StrangerTexts {
  readonly #known = new Map<string, string>();

  constructor(
    private readonly redaction: Redaction,
    private readonly longest: number,
  ) {}

  json(text: string): string {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const { json, masks } = this.#look(text);
    if (masks === 0 && text.length <= this.longest) this.#keep(text, json);
    return json;
  }

  /** For texts that hardly come twice: nothing is kept. */
  jsonOnce(text: string): string {
    return this.#look(text).json;
  }

  #look(given: string): { readonly json: string; readonly masks: number } {
    const { text, count } = this.redaction.text(sanitiseLogText(given, this.longest));
    return { json: tameJson(JSON.stringify(text)), masks: count };
  }

  #keep(text: string, json: string): void {
    if (this.#known.size === MOST_KNOWN) this.#known.clear();
    this.#known.set(text, json);
  }
}
