import { recogniseCredential, recognisePassword } from './assignments.js';
import { recogniseAzureClientSecret, recogniseAzureConnectionKey } from './azure.js';
import { recogniseEmail } from './email.js';
import type { RedactionKind } from './masks.js';
import { recogniseCardNumber, recogniseSsn } from './numbers.js';
import { BASE64_STEMS, HEX_STEM, recogniseKeyInBase64, recogniseKeyInHex } from './own-keys.js';
import { recogniseIban, recognisePhone } from './people.js';
import type { Verdict, Window } from './reader.js';
import { SHAPES } from './services.js';
import { shapeRecogniser, type Shape } from './shapes.js';
import {
  recogniseApiKey,
  recogniseAwsKeyId,
  recogniseAwsSecret,
  recogniseBearerToken,
  recogniseGithubToken,
  recognisePrivateKey,
  recogniseSlackToken,
} from './tokens.js';
import { recogniseBasicAuth, recogniseJwt, recogniseUrlPassword } from './web.js';

/** How one kind of thing is found. */
export interface Detector<Kind extends string = string> {
  readonly kind: Kind;
  /** What a candidate's first three characters may be, each as the inside of a regular expression's brackets. */
  readonly opens: readonly [string, string, string];
  /** Source of a regular expression of at most {@link HINT_SPAN} characters that matches wherever the recogniser could. */
  readonly hint: string;
  /**
   * Judges the candidate at `at`. Looks at a bounded number of characters on either side; the text to the right of a match is
   * read raw, so a candidate whose right neighbour matters must refuse to touch a mask (see `Reader.notBefore`).
   */
  readonly recognise: (window: Window, at: number) => Verdict;
}

/** Length of the longest text that a hint matches. */
export const HINT_SPAN = 11;

type Known = Detector<RedactionKind>;

/** As `continuesWord` has it. */
const NUMBER_START = '(?:(?<![0-9A-Za-z_])|(?<=\\\\[nrt]|%[0-9A-Fa-f]{2}))';
const ANY = '\\0-\\u024f';

/** What is recognised by itself; a value that is one of these has its kind, whatever label stands before it. */
const TOKENS: readonly Known[] = [
  literal('api_key', 'slp_', recogniseApiKey),
  ...BASE64_STEMS.map((stem) => literal('api_key', stem, recogniseKeyInBase64)),
  word('api_key', HEX_STEM, recogniseKeyInHex),
  word('bearer_token', 'bearer', recogniseBearerToken),
  word('basic_auth', 'basic', recogniseBasicAuth),
  literal('private_key', '-----B', recognisePrivateKey),
  { kind: 'aws_access_key', opens: ['A', 'KS', 'I'], hint: 'A[KS]IA', recognise: recogniseAwsKeyId },
  word('aws_access_key', 'secret', recogniseAwsSecret),
  { kind: 'github_token', opens: ['g', 'hi', 'pousrt'], hint: 'gh[pousr]_|github_p', recognise: recogniseGithubToken },
  { kind: 'slack_token', opens: ['x', 'oa', 'xp'], hint: 'xox[abceprs]-|xapp-', recognise: recogniseSlackToken },
  literal('azure_key', 'AccountKey=', recogniseAzureConnectionKey),
  literal('azure_key', 'SharedAcces', recogniseAzureConnectionKey),
  { kind: 'azure_key', opens: ['Q', '~', ANY], hint: 'Q~[A-Za-z0-9_.~-]{4}', recognise: recogniseAzureClientSecret },
  ...SHAPES.map(shapeDetector),
  { kind: 'jwt', opens: ['e', 'y', 'J'], hint: '(?<![A-Za-z0-9_])eyJ|(?<=\\\\[nrt]|%[0-9A-Fa-f]{2})eyJ', recognise: recogniseJwt },
];

/** Every shape we know, in the order in which they are tried at the same place. */
export const DETECTORS: readonly Known[] = [
  ...TOKENS,
  { kind: 'url_password', opens: [':', '/', '/'], hint: '://[^/\\s]', recognise: recogniseUrlPassword },
  { kind: 'password', opens: ['pP', 'aAwW', 'sSdD'], hint: '[pP](?:[aA][sS][sS]|[wW][dD])', recognise: recognisePassword },
  word('credential', 'secret', recogniseCredential),
  word('credential', 'token', recogniseCredential),
  {
    kind: 'credential',
    opens: ['aA', 'pPcCuU', 'iIcCtT'],
    hint: '[aA](?:[pP][iI]|[uU][tT][hH]|[cC]{2}[eE][sS]{2})[_-]?[kK][eE][yY]',
    recognise: recogniseCredential,
  },
  { kind: 'ssn', opens: ['0-9', '0-9', '0-9'], hint: `${NUMBER_START}(?<!\\d[.-])\\d{3}[- ]?\\d\\d[- ]?\\d{4}`, recognise: recogniseSsn },
  {
    kind: 'card_number',
    opens: ['2-6', '0-9', '0-9'],
    hint: `${NUMBER_START}(?<!\\d[.-])[2-6]\\d{3}[- ]?\\d{4}`,
    recognise: recogniseCardNumber,
  },
  { kind: 'email', opens: ['@', ANY, ANY], hint: '@', recognise: recogniseEmail },
  { kind: 'iban', opens: ['A-Z', 'A-Z', '0-9'], hint: '[A-Z]{2}\\d\\d ?[A-Z0-9]{4}', recognise: recogniseIban },
  { kind: 'phone', opens: ['+', '0-9', '0-9 .(-'], hint: '\\+\\d', recognise: recognisePhone },
  { kind: 'phone', opens: ['(', '2-9', '0-9'], hint: '\\([2-9]\\d\\d\\)', recognise: recognisePhone },
  { kind: 'phone', opens: ['2-9', '0-9', '0-9'], hint: `${NUMBER_START}[2-9]\\d\\d[-. ]?[2-9]\\d\\d[-. ]?\\d`, recognise: recognisePhone },
].map((detector): Known =>
  detector.kind === 'password' || detector.kind === 'credential' || detector.kind === 'url_password'
    ? yielding(detector as Known)
    : (detector as Known),
);

function literal(kind: RedactionKind, text: string, recognise: Known['recognise']): Known {
  return { kind, opens: opensOf([...text].map(escaped)), hint: escaped(text), recognise };
}

/** The first three of a text's characters; any where it is shorter. */
function opensOf(members: readonly string[]): Known['opens'] {
  return [members[0] ?? ANY, members[1] ?? ANY, members[2] ?? ANY];
}

/** A word in small letters that is found in either case. */
function word(kind: RedactionKind, text: string, recognise: Known['recognise']): Known {
  const both = [...text].map((letter) => letter + letter.toUpperCase());
  return { kind, opens: opensOf(both), hint: both.map((pair) => `[${pair}]`).join(''), recognise };
}

function shapeDetector(shape: Shape & { readonly kind: RedactionKind }): Known {
  const detector = literal(shape.kind, shape.prefix.slice(0, HINT_SPAN), shapeRecogniser(shape));
  if (shape.prefix.length > 2) return detector;
  // So short a beginning takes a look at what follows.
  return { ...detector, opens: [detector.opens[0], detector.opens[1], '0-9a-f'], hint: `${detector.hint}[0-9a-f]{4}` };
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/** Lets go of a value that is recognised by itself. */
function yielding(detector: Known): Known {
  return {
    ...detector,
    recognise: (window, at) => {
      const verdict = detector.recognise(window, at);
      if (typeof verdict === 'string') return verdict;
      const own = TOKENS.map(({ recognise }) => recognise(window, verdict.start)).find((found) => found !== 'none');
      if (own === undefined) return verdict;
      return own === 'more' ? 'more' : 'none';
    },
  };
}
