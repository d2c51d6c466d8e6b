import { Reader, charSet, continuesWord, tailOf, type CharSet, type Verdict, type Window } from './reader.js';

/** A token that begins with a fixed prefix. */
export interface Shape {
  readonly prefix: string;
  readonly body: CharSet;
  /** Characters after the prefix. With `max` there are no more of them; without, the token goes on as long as its characters do. */
  readonly min: number;
  readonly max?: number;
  /** What must not follow when `max` is given; by default the body's own characters. */
  readonly notBefore?: CharSet;
  /** Judges the body; by default whether it looks random. */
  readonly check?: (body: string) => boolean;
}

export const WORD_DASH = charSet('A-Za-z0-9_-');
export const WORD_DASH_DOT = charSet('A-Za-z0-9_.-');
export const LOWER_HEX = charSet('0-9a-f');
export const ANY_HEX = charSet('0-9A-Fa-f');
export const BASE64 = charSet('A-Za-z0-9+/');
export const BASE64_PADDED = charSet('A-Za-z0-9+/=');

/** How much of an open-ended body is judged. */
const JUDGED = 48;

/** Recognises one shape, at the beginning of a word. */
export function shapeRecogniser(shape: Shape): (window: Window, at: number) => Verdict {
  const { prefix, body, min, max, check = looksRandom } = shape;
  return (window, at) => {
    if (!mayStartWith(window, at, prefix) || continuesWord(window, at)) return 'none';
    const reader = new Reader(window, at).literal(prefix);
    const start = reader.at;
    reader.run(body, min, max ?? Math.max(min, JUDGED));
    if (max !== undefined) reader.notBefore(shape.notBefore ?? body);
    reader.check(() => check(reader.since(start)));
    return max === undefined ? reader.matchFrom(at, tailOf(body)) : reader.matchFrom(at);
  };
}

/** Whether the text goes on with the prefix, as far as it is known. */
function mayStartWith({ text }: Window, at: number, prefix: string): boolean {
  return text.startsWith(prefix, at) || (text.length - at < prefix.length && prefix.startsWith(text.slice(at)));
}

/**
 * Whether a text is as varied as what machines draw: two of small letters, capitals and digits, and not few characters over
 * and over. `your-token-goes-here`, `xxxxxxxxXXXX1` and `a_long_name_in_snake_case` are not.
 */
export function looksRandom(text: string): boolean {
  return classesOf(text) >= 2 && new Set(text).size >= Math.min(8, Math.ceil(text.length / 3)) && !PLACEHOLDER.test(text);
}

export const PLACEHOLDER = /x{5}|X{5}|\*{3}|\.{3}|your[-_]|placeholder|changeme|change[-_]me|redacted|<|>|\$\{|\{\{/i;

/** How many of small letters, capitals and digits the text has. */
export function classesOf(text: string): number {
  return [/[a-z]/, /[A-Z]/, /\d/].filter((pattern) => pattern.test(text)).length;
}

/** Bits per character, by Shannon's formula over the text's own frequencies. */
export function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}
