import { ALPHANUMERIC, DIGIT, Reader, WORD, charSet, continuesWord, firstOf, type Verdict, type Window } from './reader.js';

const CAPITAL_OR_DIGIT = charSet('A-Z0-9');
const CAPITAL = charSet('A-Z');
const PHONE_JOINT = charSet(' .-');
const OPENING = charSet('(');
const CLOSING = charSet(')');
const NOT_BEHIND_A_PHONE = charSet('A-Za-z0-9_@/-');

/** Lengths of IBANs by country (SWIFT IBAN registry). */
const IBAN_LENGTHS: Readonly<Record<string, number>> = Object.fromEntries(
  (
    'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 ' +
    'GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 ' +
    'PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20'
  )
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);

/** An international bank account number (ISO 13616): of its country's length, with right check digits, bare or in groups of four. */
export function recogniseIban(window: Window, at: number): Verdict {
  if (continuesWord(window, at)) return 'none';
  const length = IBAN_LENGTHS[window.text.slice(at, at + 2)];
  const start = new Reader(window, at).run(CAPITAL, 2, 2).run(DIGIT, 2, 2);
  if (!start.reading) return start.matchFrom(at);
  if (length === undefined) return 'none';
  return firstOf(
    () => ibanIn(new Reader(window, at), [length]),
    () => ibanIn(new Reader(window, at), [...Array.from({ length: Math.floor(length / 4) }, () => 4), length % 4].filter(Boolean)),
  );
}

function ibanIn(reader: Reader, groups: readonly number[]): Verdict {
  const start = reader.at;
  groups.forEach((size, index) => reader.literal(index === 0 ? '' : ' ').run(CAPITAL_OR_DIGIT, size, size));
  return reader
    .notBefore(ALPHANUMERIC)
    .check(() => hasRightChecksum(reader.since(start).replaceAll(' ', '')))
    .matchFrom(start);
}

/** ISO 7064 MOD 97-10 over the rearranged number, letters as 10 to 35. */
function hasRightChecksum(iban: string): boolean {
  let rest = 0;
  for (const character of iban.slice(4) + iban.slice(0, 4)) {
    const value = parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1 && !/^..(?:0[01]|99)/.test(iban);
}

const PHONE_WORD =
  /(?<![a-z])(?:(?:tele|mobile|cell|work|home)?phone|tel|telefono?|mobile?|cell|call|fax|contact|sms|whatsapp)(?![a-z])[^0-9\n]{0,24}$/i;

/**
 * A telephone number: `+` and a country code; or in the North American form, with parentheses around the area or behind a word
 * such as `phone`. Bare digits without either are none.
 */
export function recognisePhone(window: Window, at: number): Verdict {
  if (window.isIn(NOT_BEHIND_A_PHONE, at - 1) && continuesWord(window, at, NOT_BEHIND_A_PHONE)) return 'none';
  const code = window.text.charAt(at);
  if (code === '+') return international(window, at);
  const named = PHONE_WORD.test(window.before(at, 48));
  if (code === '(') return northAmerican(window, at);
  return named ? northAmerican(window, at) : 'none';
}

/** E.164: 8 to 15 digits in all, in one piece or with single joints and one pair of parentheses. */
function international(window: Window, at: number): Verdict {
  const reader = new Reader(window, at).literal('+').run(DIGIT, 1, 15);
  const first = reader.at;
  for (let group = 0; group < 6 && reader.reading; group += 1) if (!readGroup(reader)) break;
  reader.notBefore(WORD);
  if (reader.reading && '.-:'.includes(window.text.charAt(reader.at) || ' ')) {
    reader.unless(new Reader(window, reader.at + 1).run(DIGIT, 1, 1).matchFrom(reader.at));
  }
  return reader.check(() => isInternational(reader.since(at), reader.at > first, isLineStart(window, at))).matchFrom(at);
}

/** One more group of digits behind its joint. Says whether there may be more; a reading that lacks text is over. */
function readGroup(reader: Reader): boolean {
  const { window, at } = reader;
  const ahead = new Reader(window, at).run(PHONE_JOINT, 0, 1).run(OPENING, 0, 1).run(DIGIT, 1, 6).run(CLOSING, 0, 1);
  const verdict = ahead.matchFrom(at);
  if (verdict === 'more') reader.unless('more');
  if (typeof verdict === 'string' || ahead.at === at) return false;
  const joint = window.text.charAt(at);
  if (!' .-('.includes(joint)) return false;
  reader.literal(window.text.slice(at, ahead.at));
  return true;
}

function isLineStart(window: Window, at: number): boolean {
  return at === 0 || window.text.charAt(at - 1) === '\n';
}

/** Country codes (ITU-T E.164) whose numbers are common, longest first. */
const COUNTRY_CODE =
  /^\+(?:1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|21[1-8]|22\d|23\d|24\d|25\d|26\d|29\d|35\d|37\d|38\d|42[013]|50\d|59\d|67\d|68\d|69\d|85\d|88\d|96\d|97\d|99\d)/;

function isInternational(text: string, grouped: boolean, atLineStart: boolean): boolean {
  const digits = text.replace(/\D/g, '');
  if (digits.length < 9 || digits.length > 15 || !COUNTRY_CODE.test(text)) return false;
  if (digits.startsWith('1')) return /^1[2-9]\d\d[2-9]\d{6}$/.test(digits);
  return grouped || (!atLineStart && digits.length >= 10 && digits.length <= 13);
}

function northAmerican(window: Window, at: number): Verdict {
  const form = (open: string, close: string, joint: string): Verdict => {
    const reader = new Reader(window, at).literal(open);
    const area = reader.at;
    reader.run(DIGIT, 3, 3).literal(close);
    const exchange = reader.at;
    reader.run(DIGIT, 3, 3).literal(joint).run(DIGIT, 4, 4).notBefore(NOT_BEHIND_A_PHONE);
    return reader.check(() => window.text.charAt(area) > '1' && window.text.charAt(exchange) > '1').matchFrom(at);
  };
  return firstOf(
    ...[
      ['(', ') ', '-'],
      ['(', ')', '-'],
      ['(', ') ', '.'],
      ['(', ') ', ' '],
      ['', '-', '-'],
      ['', '.', '.'],
      ['', ' ', ' '],
      ['', ' ', '-'],
      ['', '', ''],
    ].map(
      ([open = '', close = '', joint = '']) =>
        () =>
          form(open, close, joint),
    ),
  );
}
