import { DetectorSet } from './detector-set.js';
import { DETECTORS, type Detector } from './detectors.js';
import { mayHide } from './escape-stage.js';
import { DataRedactor } from './redact-data.js';
import { createRedactorOf, type Redactor, type RedactorOptions } from './redactor.js';

export interface Redacted {
  readonly text: string;
  /** How many masks were put in. */
  readonly count: number;
}

/** Texts found clean that are remembered, and the longest of them: the same names, addresses and digests come again and again. */
const MOST_CLEAN = 2_000;
const LONGEST_CLEAN = 80;

/** What one gateway masks: the kinds that are on, and the operators' own rules. One instance serves all exits, so that all show the same. */
export class Redaction {
  readonly #detectors: DetectorSet;
  readonly #data = new DataRedactor((text) => this.text(text).text);
  readonly #clean = new Set<string>();

  /** @param detectors of the kinds that are on, our own last */
  constructor(detectors: readonly Detector[] = DETECTORS, ownKinds: readonly string[] = []) {
    this.#detectors = new DetectorSet(detectors, ownKinds);
  }

  /** @throws GatewayError `invalid_arguments` when the secrets are too long to be masked (see `secretForms`) */
  redactor(options: RedactorOptions = {}): Redactor {
    return createRedactorOf(this.#detectors, options);
  }

  /** Whether a text, or one of those in a text of JSON, deserves a closer look; says so in error now and then. */
  mayMatch(text: string): boolean {
    return this.#detectors.mayMatch(text) || mayHide(text);
  }

  /** Masks secrets and personal data in a whole text. */
  text(text: string, secrets: readonly string[] = []): Redacted {
    if (secrets.length === 0 && this.#isClean(text)) return { text, count: 0 };
    let count = 0;
    const redactor = this.redactor({ secrets, onRedaction: () => (count += 1) });
    return { text: redactor.push(text) + redactor.end(), count };
  }

  /** A copy of JSON data in which every string is masked; see {@link DataRedactor}. */
  data(data: unknown): unknown {
    return this.#data.copy(data);
  }

  #isClean(text: string): boolean {
    if (text.length > LONGEST_CLEAN) return !this.mayMatch(text);
    if (this.#clean.has(text)) return true;
    if (this.mayMatch(text)) return false;
    if (this.#clean.size === MOST_CLEAN) this.#clean.clear();
    this.#clean.add(text);
    return true;
  }
}
