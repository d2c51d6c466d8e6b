import { recogniseEmail } from './email.js';
import type { RedactionKind } from './masks.js';
import { recogniseCardNumber, recogniseSsn } from './numbers.js';
import type { Verdict, Window } from './reader.js';
import {
  recogniseApiKey,
  recogniseAwsKeyId,
  recogniseAwsSecret,
  recogniseBearerToken,
  recogniseGithubToken,
  recognisePrivateKey,
  recogniseSlackToken,
} from './tokens.js';

/** How one kind of thing is found. */
export interface Detector {
  readonly kind: RedactionKind;
  /** The characters a candidate can begin with. */
  readonly first: string;
  /** Source of a regular expression of at most {@link HINT_SPAN} characters that matches wherever the recogniser could. */
  readonly hint: string;
  /**
   * Judges the candidate at `at`. Looks at a bounded number of characters on either side; the text to the right of a match is
   * read raw, so a candidate whose right neighbour matters must refuse to touch a mask (see `Reader.notBefore`).
   */
  readonly recognise: (window: Window, at: number) => Verdict;
}

/** As `continuesWord` has it. */
const NUMBER_START = '(?:(?<![0-9A-Za-z_])|(?<=\\\\[nrt]|%[0-9A-Fa-f]{2}))';

/** Every shape we know, in the order in which they are tried at the same place. */
export const DETECTORS: readonly Detector[] = [
  { kind: 'api_key', first: 's', hint: 'slp_', recognise: recogniseApiKey },
  { kind: 'bearer_token', first: 'bB', hint: '[bB][eE][aA][rR][eE][rR]', recognise: recogniseBearerToken },
  { kind: 'private_key', first: '-', hint: '-----B', recognise: recognisePrivateKey },
  { kind: 'aws_access_key', first: 'A', hint: 'A[KS]IA', recognise: recogniseAwsKeyId },
  { kind: 'aws_access_key', first: 'sS', hint: '[sS][eE][cC][rR][eE][tT]', recognise: recogniseAwsSecret },
  { kind: 'github_token', first: 'g', hint: 'gh[pousr]_|github_p', recognise: recogniseGithubToken },
  { kind: 'slack_token', first: 'x', hint: 'xox[abceprs]-|xapp-', recognise: recogniseSlackToken },
  { kind: 'ssn', first: '0123456789', hint: `${NUMBER_START}\\d{3}[- ]?\\d\\d[- ]?\\d{4}`, recognise: recogniseSsn },
  { kind: 'card_number', first: '23456', hint: `${NUMBER_START}[2-6]\\d{3}[- ]?\\d{4}`, recognise: recogniseCardNumber },
  { kind: 'email', first: '@', hint: '@', recognise: recogniseEmail },
];

/** Length of the longest text that a hint matches. */
export const HINT_SPAN = 11;

/** Matches wherever something could be, masks included. What it does not match needs no further look. */
export const HINTS = new RegExp(['«', ...DETECTORS.map(({ hint }) => hint)].join('|'), 'g');

const BY_FIRST = new Map<number, readonly Detector[]>();
for (const detector of DETECTORS) {
  for (const character of detector.first) {
    const code = character.charCodeAt(0);
    BY_FIRST.set(code, [...(BY_FIRST.get(code) ?? []), detector]);
  }
}

/** The detectors whose candidates begin with this character code. */
export function detectorsFor(code: number): readonly Detector[] {
  return BY_FIRST.get(code) ?? NO_DETECTORS;
}

const NO_DETECTORS: readonly Detector[] = [];
