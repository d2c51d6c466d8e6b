import { MASK, UNKNOWN, charSet, type Verdict, type Window } from './reader.js';

/** Letters beyond ASCII are Latin only: text in other scripts often runs into an address without a space. */
const LATIN = '\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u024f';
const LOCAL = charSet(`A-Za-z0-9._+'${LATIN}-`);
const LOCAL_START = charSet(`A-Za-z0-9_${LATIN}`);
const DOMAIN = charSet(`A-Za-z0-9.${LATIN}-`);
const PATH = charSet('A-Za-z0-9_.~/-');

const LONGEST_LOCAL = 64;
const LONGEST_DOMAIN = 253;
const LONGEST_PATH = 128;

const DOT = '.'.charCodeAt(0);
const SLASH = '/'.charCodeAt(0);

/**
 * Where the local part that ends before `at` begins; `at` itself when there is none.
 * A run of more than 64 characters is none, and neither is what two dots cut off.
 */
export function localPartStart(window: Window, at: number): number {
  let start = at;
  while (window.isIn(LOCAL, start - 1) && !(window.code(start - 1) === DOT && window.code(start) === DOT)) {
    start -= 1;
    if (at - start > LONGEST_LOCAL) return at;
  }
  if (start > 0) start += escapeLength(window.text.slice(start - 1, start + 2));
  while (start < at && !window.isIn(LOCAL_START, start)) start += 1;
  return Math.min(start, at);
}

/** How many characters of `\n`, `%3D` and their like, given from their first on, look as if they were the address's own. */
function escapeLength(text: string): 0 | 1 | 2 {
  if (/^%[0-9A-Fa-f]{2}/.test(text)) return 2;
  return /^\\[nrt]/.test(text) ? 1 : 0;
}

/** An e-mail address, recognised from its `@`. */
export function recogniseEmail(window: Window, at: number): Verdict {
  const start = localPartStart(window, at);
  if (start === at || window.code(at - 1) === DOT || isUserOfUrl(window, start)) return 'none';
  if (window.text.slice(start, at) === 'git') return 'none';
  const runEnd = endOfRun(window, at + 1);
  if (typeof runEnd === 'string') return runEnd;
  const domain = mailDomain(window.text.slice(at + 1, runEnd));
  if (domain === null) return 'none';
  const end = at + 1 + domain.length;
  if (end < runEnd || window.code(end) !== ':'.charCodeAt(0)) return { start, end };
  return rejectRemotePath(window, end + 1, { start, end });
}

/** `https://user@host`: the `@` belongs to an address of the web. */
function isUserOfUrl(window: Window, start: number): boolean {
  return window.code(start - 1) === SLASH && window.code(start - 2) === SLASH;
}

function endOfRun(window: Window, from: number): number | 'none' | 'more' {
  let end = from;
  while (window.isIn(DOMAIN, end)) {
    end += 1;
    if (end - from > LONGEST_DOMAIN) return 'none';
  }
  if (window.code(end) === UNKNOWN) return 'more';
  return window.code(end) === MASK ? 'none' : end;
}

/** The domain at the beginning of a run, without the sentence's full stop; null when mail cannot go there. */
function mailDomain(run: string): string | null {
  const domain = (run.split('..', 1)[0] ?? '').replace(/[.-]{1,253}$/, '');
  const labels = domain.split('.');
  const top = labels.at(-1)?.toLowerCase() ?? '';
  if (labels.length < 2 || !labels.every(isHostLabel)) return null;
  if (!/^(?:[^\W\d_]|[\u0080-\uffff]){2,24}$|^xn--[a-z0-9-]{2,59}$/.test(top) || NOT_TOP_LEVEL.has(top)) return null;
  return /^v?\d{1,9}\.\d/i.test(domain) ? null : domain;
}

function isHostLabel(label: string): boolean {
  return label.length > 0 && label.length <= 63 && !label.startsWith('-') && !label.endsWith('-');
}

/** Endings that look like a top-level domain and are none: unit types (`getty@tty1.service`), files (`logo@2x.png`). */
const NOT_TOP_LEVEL = new Set(
  (
    'service socket timer target mount automount swap slice scope device path ' +
    'png jpg jpeg gif webp svg ico js mjs cjs ts tsx jsx json css scss html htm xml yaml yml txt log map wasm tgz'
  ).split(' '),
);

/** `user@host:dir/file` (scp, git) and `user@host:~` (a prompt) are no mail; `alice@example.com:` with anything else behind it is. */
function rejectRemotePath(window: Window, from: number, match: Verdict): Verdict {
  if (window.code(from) === '~'.charCodeAt(0)) return 'none';
  for (let at = from; at < from + LONGEST_PATH; at += 1) {
    const code = window.code(at);
    if (code === UNKNOWN) return 'more';
    if (code === SLASH || code === MASK) return 'none';
    if (PATH[code] !== 1) break;
  }
  return match;
}
