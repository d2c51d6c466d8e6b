import {
  ALPHANUMERIC,
  BLANK,
  Reader,
  UNKNOWN,
  WORD,
  charSet,
  continuesWord,
  firstOf,
  tailOf,
  type Tail,
  type Verdict,
  type Window,
} from './reader.js';
import { BASE64, BASE64_PADDED } from './shapes.js';

const DASHED = charSet('A-Za-z0-9-');
const BASE32_UPPER = charSet('A-Z2-7');
/** RFC 6750 `b64token`. */
const BEARER = charSet('A-Za-z0-9._~+/=-');
const GITHUB_LETTER = charSet('pousr');
const SLACK_LETTER = charSet('abceprs');
const AWS_LETTER = charSet('KS');
const LABEL_JOINT = charSet('_-');
const LABEL_TO_VALUE = charSet(' \\t"\'\\\\:=>|,');
const PEM_LABEL = charSet('A-Z0-9 ');

/** A key of this gateway. A mistyped checksum changes nothing: the rest of the key is still there. Like the next two, found inside words too. */
export function recogniseApiKey(window: Window, at: number): Verdict {
  return new Reader(window, at).literal('slp_').run(ALPHANUMERIC, 12, 12).literal('_').run(ALPHANUMERIC, 38, 38).matchFrom(at);
}

/** `ghp_`, `gho_`, `ghu_`, `ghs_`, `ghr_` with at least 36 characters; `github_pat_` with at least 22. */
export function recogniseGithubToken(window: Window, at: number): Verdict {
  return firstOf(
    () =>
      new Reader(window, at)
        .literal('gh')
        .run(GITHUB_LETTER, 1, 1)
        .literal('_')
        .run(ALPHANUMERIC, 36, 36)
        .matchFrom(at, tailOf(ALPHANUMERIC)),
    () => new Reader(window, at).literal('github_pat_').run(WORD, 22, 22).matchFrom(at, tailOf(WORD)),
  );
}

/** `xoxb-…` and its family, `xapp-…`. Every real one has digits early on; `xoxb-your-token-goes-here` has none. */
export function recogniseSlackToken(window: Window, at: number): Verdict {
  const body = (reader: Reader): Verdict =>
    reader
      .run(DASHED, 20, 20)
      .check(() => /\d/.test(reader.since(at)))
      .matchFrom(at, tailOf(DASHED));
  return firstOf(
    () => body(new Reader(window, at).literal('xox').run(SLACK_LETTER, 1, 1).literal('-')),
    () => body(new Reader(window, at).literal('xapp-')),
  );
}

/** The id of an AWS key, long-lived (`AKIA`) or temporary (`ASIA`). */
export function recogniseAwsKeyId(window: Window, at: number): Verdict {
  if (continuesWord(window, at, ALPHANUMERIC)) return 'none';
  return new Reader(window, at)
    .literal('A')
    .run(AWS_LETTER, 1, 1)
    .literal('IA')
    .run(BASE32_UPPER, 16, 16)
    .notBefore(ALPHANUMERIC)
    .matchFrom(at);
}

/** An AWS secret: 40 base64 characters that look like anything, hence only behind a label (`aws_secret_access_key=`, `"SecretAccessKey": "`). */
export function recogniseAwsSecret(window: Window, at: number): Verdict {
  const value = (reader: Reader): Verdict => {
    reader.word('key').run(LABEL_TO_VALUE, 1, 12);
    const start = reader.at;
    return reader.run(BASE64, 40, 40).notBefore(BASE64_PADDED).matchFrom(start);
  };
  const label = (): Reader => new Reader(window, at).word('secret').run(LABEL_JOINT, 0, 1);
  return firstOf(
    () => value(label().word('access').run(LABEL_JOINT, 0, 1)),
    () => (/aws[_-]?$/i.test(window.before(at, 4)) ? value(label()) : 'none'),
  );
}

const AUTHORIZATION = /authorization["'\\]{0,4}[ \t]{0,4}[:=][ \t]{0,4}["'\\]{0,4}$/i;

/**
 * A bearer token. Behind `Authorization:` 8 characters are enough; elsewhere it takes 20 with a digit among the first 64,
 * so that "bearer of good news" and `Bearer authentication-required` stay.
 */
export function recogniseBearerToken(window: Window, at: number): Verdict {
  if (continuesWord(window, at)) return 'none';
  const reader = new Reader(window, at).word('bearer').run(BLANK, 1, 4);
  const start = reader.at;
  const tail = tailOf(BEARER);
  if (AUTHORIZATION.test(window.before(at, 40))) return reader.run(BEARER, 8, 8).matchFrom(start, tail);
  return reader
    .run(BEARER, 20, 64)
    .check(() => /\d/.test(reader.since(start)))
    .matchFrom(start, tail);
}

/**
 * A PEM private key, PGP's included. The header must be followed by a line end (real or escaped) or by key material, so that
 * prose about such headers stays. From there on everything is masked up to the footer, or to the end of the stream.
 */
export function recognisePrivateKey(window: Window, at: number): Verdict {
  const header = new Reader(window, at).literal('-----BEGIN ').run(PEM_LABEL, 0, 40);
  header.check(() => /[ ]PRIVATE KEY(?: BLOCK)?$/.test(header.since(at))).literal('-----');
  const verdict = header.matchFrom(at, untilPemFooter);
  if (typeof verdict === 'string') return verdict;
  const body = new Reader(window, header.at).run(BLANK, 0, 8);
  if (body.reading && '\r\n\\'.includes(String.fromCharCode(window.code(body.at)))) return verdict;
  const bodyVerdict = body.run(BASE64, 16, 16).matchFrom(at);
  return typeof bodyVerdict === 'string' ? bodyVerdict : verdict;
}

const PEM_FOOTER = '-----END ';

const untilPemFooter: Tail = (window, from) => {
  for (let at = window.text.indexOf('-----E', from); at !== -1; at = window.text.indexOf('-----E', at + 1)) {
    const footer = new Reader(window, at).literal(PEM_FOOTER).run(PEM_LABEL, 1, 40).literal('-----').matchFrom(at);
    if (footer === 'more') return { end: at, ended: false };
    if (footer !== 'none') return { end: footer.end, ended: true };
  }
  if (window.code(window.text.length) !== UNKNOWN) return { end: window.text.length, ended: true };
  return { end: Math.max(from, window.text.length - PEM_FOOTER.length), ended: false };
};
