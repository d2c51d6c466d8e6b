import { BLANK, Reader, WORD, charSet, type Verdict, type Window } from './reader.js';
import { PLACEHOLDER, classesOf, entropyOf, looksRandom } from './shapes.js';

const LABEL_END = charSet('A-Za-z');
const LABEL_JOINT = charSet('_-');
const DIGIT_END = charSet('0-9');
const QUOTE = charSet('"\'`');
const BACKSLASH = charSet('\\\\');
const SEPARATOR = charSet(':=>');
/** What a value may be of; within quotes, more. */
const VALUE = charSet('A-Za-z0-9._~%!$&*+=#?^@:/|-');
const QUOTED_VALUE = charSet('\\x21\\x23-\\x26\\x28-\\x5b\\x5d-\\x5f\\x61-\\x7e');

const LONGEST_VALUE = 256;

/** What must be true of a value of this kind, and of the word before the separator. */
interface Assignment {
  /** Judges the small letter before the trigger, a bar, and the label from there on in lower case: `|password`, `b|pass`, `|secret_key`. */
  readonly label: RegExp;
  readonly isValue: (value: string, quoted: boolean) => boolean;
}

const PASSWORD: Assignment = {
  // A short one must stand for itself: `compass`, `bypass` and their like end with it too.
  label: /^(?:[a-z]?\|pass(?:word|wd|phrase|code)|\|(?:pass|pwd))(?:[_-]?(?:value|text))?$/,
  isValue: isPassword,
};
const CREDENTIAL: Assignment = {
  label: /^[a-z]?\|(?:secret|token|api[_-]?key|access[_-]?key|auth[_-]?key)(?:[_-]?(?:key|value|base|access[_-]?key|text))?$/,
  isValue: isCredential,
};

/** `password=…`, `"DB_PASSWORD": "…"`, `--passphrase …`: masks the value. */
export function recognisePassword(window: Window, at: number): Verdict {
  return valueOf(window, at, PASSWORD);
}

/** `secret: …`, `API_KEY=…`, `x-api-key: …`, `--token …`: masks the value when it looks like what machines draw. */
export function recogniseCredential(window: Window, at: number): Verdict {
  return valueOf(window, at, CREDENTIAL);
}

function valueOf(window: Window, at: number, { label, isValue }: Assignment): Verdict {
  const reader = new Reader(window, at);
  for (let part = 0; part < 4; part += 1) reader.run(LABEL_END, part === 0 ? 3 : 0, 24).run(LABEL_JOINT, 0, 1);
  reader.run(DIGIT_END, 0, 2).check(() => label.test(`${gluedLetter(window, at)}|${reader.since(at).replace(/\d+$/, '').toLowerCase()}`));
  const isOption = /--[A-Za-z-]{0,30}$/.test(window.before(at, 32));
  const quotes = reader.at;
  readQuote(reader).run(BLANK, 0, 4);
  reader.run(SEPARATOR, isOption ? 0 : 1, 2).run(BLANK, 0, 4);
  reader.check(() => reader.at > quotes);
  const opening = reader.at;
  readQuote(reader);
  return readValue(reader, reader.at > opening, isValue);
}

/** The small letter before a small letter: the word began further left. */
function gluedLetter(window: Window, at: number): string {
  return /^[a-z]{2}$/.test(window.text.slice(Math.max(0, at - 1), at + 1)) ? window.before(at, 1) : '';
}

/** A quote, or one that is escaped. */
function readQuote(reader: Reader): Reader {
  const from = reader.at;
  reader.run(BACKSLASH, 0, 1);
  return reader.run(QUOTE, reader.at > from ? 1 : 0, 1);
}

function readValue(reader: Reader, quoted: boolean, isValue: Assignment['isValue']): Verdict {
  const start = reader.at;
  reader.run(quoted ? QUOTED_VALUE : VALUE, 6, LONGEST_VALUE).notBefore(quoted ? QUOTED_VALUE : WORD);
  const length = reader.reading ? trimmed(reader.since(start), quoted).length : 0;
  reader.check(() => isValue(reader.since(start).slice(0, length), quoted)).check(() => quoted || !isCall(reader));
  const verdict = reader.matchFrom(start);
  return typeof verdict === 'string' ? verdict : { start, end: start + length };
}

/** Without the punctuation of the sentence, and without the next field of a form (`password=a&user=b`). */
function trimmed(value: string, quoted: boolean): string {
  return quoted ? value : (value.split('&', 1)[0] ?? '').replace(/[.:|]+$/, '');
}

/** Whether a call or an index follows, or the dots of something that was shortened. */
function isCall({ window, at }: Reader): boolean {
  return '([{…'.includes(window.text.charAt(at) || ' ');
}

/** What stands where a value will be: variables, references, calls, paths, types. */
function isReference(value: string): boolean {
  return (
    PLACEHOLDER.test(value) ||
    /^[$%{]|^\.{1,2}\/|^~|:\/\/|^process\.|^(?:this|self|os|env|config|settings|options|args)\.|^@|\(/.test(value)
  );
}

/** At least six characters, letters with a digit or a sign among them; words, names of the code and references are none. */
function isPassword(value: string, quoted: boolean): boolean {
  if (value.length < 6 || isReference(value) || value.startsWith('/') || new Set(value).size < 4) return false;
  if (/^[A-Za-z_][A-Za-z_.-]*$/.test(value) || /^\d+(?:\.\d+)*$/.test(value))
    return quoted && classesOf(value) >= 2 && /[A-Z].*[A-Z]/.test(value) && /^[^._-]*$/.test(value);
  if (/^[A-Za-z_$][A-Za-z_$.=;,]*$/.test(value)) return false;
  return /[A-Za-z]/.test(value) && /[0-9!$%&*+=#?^@~]/.test(value);
}

/** At least sixteen characters of no word's form. */
function isCredential(value: string): boolean {
  const text = value.replace(/[=;,]+$/, '');
  if (text.length < 16 || isReference(value) || /[^A-Za-z0-9._~+/=-]/.test(text)) return false;
  if (!/\d/.test(text) || !/[A-Za-z]/.test(text) || /^(?:sha\d{1,3}-|\d{4}-\d\d-\d\d|\/[a-z.]+(?:\/|$))/.test(text)) return false;
  return looksRandom(text) && entropyOf(text) >= 2.8 && !isName(text);
}

/** `my-secret-2`, `MY_SECRET_2`, `mySecretName2`. */
function isName(text: string): boolean {
  return /^(?:[a-z]+(?:[-_.][a-z]+)*|[A-Z]+(?:[-_.][A-Z]+)*|[a-z]{2,}(?:[A-Z][a-z]{2,})+)[-_.]?\d{1,4}$/.test(text);
}
