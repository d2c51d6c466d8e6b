import { BLANK, Reader, UNKNOWN, charSet, continuesWord, type Tail, type Verdict, type Window } from './reader.js';
import { BASE64_PADDED, PLACEHOLDER, WORD_DASH } from './shapes.js';

const USER = charSet('A-Za-z0-9._~%!$&*+=-');
/** Whatever a password in an address may be: the reserved characters must be escaped there. */
const URL_PASSWORD = charSet('A-Za-z0-9._~%!$&*+=#?^:-');
const HOST_START = charSet('A-Za-z0-9\\[_{-');

const LONGEST_USER = 128;
const LONGEST_PASSWORD = 256;
const LONGEST_HEADER = 600;

/** Words that stand for a password in documentation. */
const EXAMPLE_PASSWORD = /^(?:pass(?:word|wd)?|pwd|secret|token|user(?:name)?|pw|port|\d{2,5})$/i;

/** The password in `scheme://user:password@host`, recognised from `://`. */
export function recogniseUrlPassword(window: Window, at: number): Verdict {
  const reader = new Reader(window, at).literal('://').run(USER, 0, LONGEST_USER).literal(':');
  const start = reader.at;
  reader.run(URL_PASSWORD, 1, LONGEST_PASSWORD).check(() => !isExample(reader.since(start)));
  const end = reader.at;
  reader.literal('@').run(HOST_START, 1, 1);
  const verdict = reader.matchFrom(start);
  return typeof verdict === 'string' ? verdict : { start, end };
}

function isExample(password: string): boolean {
  return EXAMPLE_PASSWORD.test(password) || PLACEHOLDER.test(password) || /^[$%{]/.test(password);
}

/** `Basic dXNlcjpwYXNz`: base64 of printable text with a colon in it. */
export function recogniseBasicAuth(window: Window, at: number): Verdict {
  if (continuesWord(window, at)) return 'none';
  const reader = new Reader(window, at).word('basic').run(BLANK, 1, 4);
  const start = reader.at;
  return reader
    .run(BASE64_PADDED, 8, 512)
    .notBefore(BASE64_PADDED)
    .check(() => isUserAndPassword(reader.since(start)))
    .matchFrom(start);
}

function isUserAndPassword(encoded: string): boolean {
  return /^[^\0-\x1f\x7f:\ufffd]*:[^\0-\x1f\x7f\ufffd]+$/.test(Buffer.from(encoded, 'base64').toString());
}

/**
 * A JSON web token (RFC 7519): a header that decodes to JSON with an `alg`, or a header and a payload that begin as JSON does.
 * Header and payload are read; whatever follows them in the token's alphabet belongs to it.
 */
export function recogniseJwt(window: Window, at: number): Verdict {
  if (window.isIn(WORD_DASH, at - 1) && continuesWord(window, at, WORD_DASH)) return 'none';
  const reader = new Reader(window, at).literal('eyJ').run(WORD_DASH, 10, LONGEST_HEADER);
  const headerEnd = reader.at;
  reader.literal('.').run(WORD_DASH, 8, 8);
  return reader
    .check(() => window.text.startsWith('eyJ', headerEnd + 1) || isHeader(window.text.slice(at, headerEnd)))
    .matchFrom(at, untilTokenEnds);
}

function isHeader(encoded: string): boolean {
  return /"alg"|"enc"/.test(Buffer.from(encoded, 'base64url').toString());
}

const DOT = '.'.charCodeAt(0);

/** The token's alphabet, and dots with more of it behind them: the sentence's full stop stays. */
const untilTokenEnds: Tail = (window, from) => {
  let end = from;
  for (;;) {
    while (window.isIn(WORD_DASH, end)) end += 1;
    if (window.code(end) !== DOT) return { end, ended: window.code(end) !== UNKNOWN };
    if (window.code(end + 1) === UNKNOWN) return { end, ended: false };
    if (!window.isIn(WORD_DASH, end + 1)) return { end, ended: true };
    end += 1;
  }
};
