/** What joins a simple command to the one before it. `inner`: `$(…)`, backticks or `<(…)` inside of it. */
export type Joint = 'start' | 'pipe' | 'inner';

/** One simple command as a shell would see it, with its redirections as words (`>`, `<`). */
export interface Segment {
  readonly words: readonly string[];
  readonly joint: Joint;
}

/** Words beyond this begin a new segment: no rule looks further, and a long line takes no more memory than its text. */
const MOST_WORDS = 2_048;

/**
 * Numbers of redirections come first: their `&` is no joint. Longer words come in pieces: the engine keeps a way back for each character.
 */
const TOKEN = /\d?>&\d?-?|&>>?|<\(|>>?|<<?<?|\|\|?|&&?|[\n;(){}`]|[^\s,;|&(){}`<>[\]]{1,65536}/g;

/**
 * Text as simple commands. Reads it the way somebody would who hides words from a filter: quotes, backslashes, `$IFS`, `$@`, escapes and
 * wide letters are undone, and what is inside of quotes is read like what is outside. Takes time in proportion to the text.
 */
export function* segmentsOf(text: string): Generator<Segment> {
  let words: string[] = [];
  let joint: Joint = 'start';
  for (const [token] of plain(text).matchAll(TOKEN)) {
    const next = jointOf(token, words.at(-1));
    if (next === undefined && words.length < MOST_WORDS) {
      words.push(isRedirection(token) ? (token[0] === '<' ? '<' : '>') : token);
      continue;
    }
    if (words.length > 0) yield { words, joint };
    words = next === undefined ? [token] : [];
    joint = next ?? 'start';
  }
  if (words.length > 0) yield { words, joint };
}

/** Undefined for a word. */
function jointOf(token: string, before: string | undefined): Joint | undefined {
  switch (token) {
    case '|':
      return 'pipe';
    case '<(':
    case '`':
      return 'inner';
    case '(':
      return before?.endsWith('$') ? 'inner' : 'start';
    case ')':
    case '{':
    case '}':
    case ';':
    case '\n':
    case '&':
    case '&&':
    case '||':
      return 'start';
    default:
      return undefined;
  }
}

function isRedirection(token: string): boolean {
  return /^(?:\d?>|&>|<)/.test(token);
}

// oxlint-disable-next-line no-misleading-character-class -- characters of no width, one by one
const NO_WIDTH = /[\u00ad\u200b-\u200f\u2060\ufeff]/g;

/** Text without what hides words in it. */
export function plain(text: string): string {
  let shown = isAscii(text) ? text : text.replace(NO_WIDTH, '').normalize('NFKC');
  if (shown.includes('\\'))
    shown = shown
      .replace(/\\x([0-9a-fA-F]{2})/g, fromHex)
      .replace(/\\\r?\n/g, ' ')
      .replace(/\\n/g, '\n');
  if (shown.includes('$'))
    shown = shown
      .replace(/\$(?:\{IFS\}|IFS(?!\w))(?:\$\d)?/g, ' ')
      .replace(/\$[@*]/g, '')
      .replace(/\$(?=['"])/g, '');
  return /['"\\]/.test(shown) ? shown.replace(/['"\\]/g, '') : shown;
}

function isAscii(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- the range is what it is about
  return !/[^\x00-\x7f]/.test(text);
}

function fromHex(_whole: string, digits: string): string {
  return String.fromCharCode(Number.parseInt(digits, 16));
}
