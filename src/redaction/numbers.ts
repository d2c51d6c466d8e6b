import { DIGIT, Reader, WORD, charSet, continuesWord, firstOf, type Verdict, type Window } from './reader.js';

const JOINT = charSet('.-');
const COLUMN_GOES_ON = charSet("A-Za-z0-9_.@+'-");
const SSN_LABEL = /(?:ssn|social[ _-]?security)[^0-9\n]{0,20}$/i;

/** Whether a number that begins here goes on to the left: a word character, or a digit and a joint, stands before it. */
function continuesLeft(window: Window, at: number): boolean {
  return continuesWord(window, at) || (window.isIn(JOINT, at - 1) && window.isIn(DIGIT, at - 2));
}

/** Fails when the number goes on to the right: `…-0`, `….5`, `…x`. */
function notContinued(reader: Reader): Reader {
  reader.notBefore(WORD);
  return reader.reading
    ? reader.unless(new Reader(reader.window, reader.at).run(JOINT, 1, 1).run(DIGIT, 1, 1).matchFrom(reader.at))
    : reader;
}

/** A US social security number: `123-45-6789`, and behind a label also with spaces or bare. */
export function recogniseSsn(window: Window, at: number): Verdict {
  if (continuesLeft(window, at)) return 'none';
  const shape = (separator: string): Verdict => {
    const reader = new Reader(window, at).run(DIGIT, 3, 3).literal(separator).run(DIGIT, 2, 2).literal(separator).run(DIGIT, 4, 4);
    return notContinued(reader)
      .check(() => isIssuedSsn(reader.since(at)))
      .matchFrom(at);
  };
  const labelled = SSN_LABEL.test(window.before(at, 40));
  return firstOf(() => shape('-'), ...(labelled ? [() => shape(' '), () => shape('')] : []));
}

/** Area not 000, 666 or 9xx; group not 00; serial not 0000 (SSA, rules since 2011). */
function isIssuedSsn(text: string): boolean {
  const digits = text.replace(/\D/g, '');
  return !/^(?:000|666|9)/.test(digits) && digits.slice(3, 5) !== '00' && !digits.endsWith('0000');
}

/**
 * A payment card number: bare digits, or groups as printed on the card with one kind of separator, of an issuer's prefix and
 * length, with a right check digit (ISO/IEC 7812). One in ten random numbers passes the check: bare digits right behind a
 * word such as `order`, `id` or `timestamp` are no card.
 */
export function recogniseCardNumber(window: Window, at: number): Verdict {
  if (continuesLeft(window, at)) return 'none';
  return firstOf(
    () => bareCard(window, at),
    () => groupedCard(window, at, '-'),
    () => groupedCard(window, at, ' '),
  );
}

function bareCard(window: Window, at: number): Verdict {
  const reader = new Reader(window, at).run(DIGIT, 13, 19);
  return notContinued(reader)
    .check(() => isCardNumber(reader.since(at)) && !isNumberedThing(window.before(at, 40)))
    .matchFrom(at);
}

/** Longest first: what has a fifth group may be a card of 19 digits, or one of 16 and its security code. */
const GROUPINGS = [
  [4, 4, 4, 4, 3],
  [4, 4, 4, 4],
  [4, 6, 5],
  [4, 6, 4],
];

function groupedCard(window: Window, at: number, separator: ' ' | '-'): Verdict {
  if (separator === ' ' && /\d{4} $/.test(window.before(at, 5))) return 'none';
  return firstOf(...GROUPINGS.map((groups) => () => cardInGroups(new Reader(window, at), separator, groups)));
}

function cardInGroups(reader: Reader, separator: ' ' | '-', groups: readonly number[]): Verdict {
  const start = reader.at;
  groups.forEach((size, index) => reader.literal(index === 0 ? '' : separator).run(DIGIT, size, size));
  notContinued(reader).check(() => isCardNumber(reader.since(start).replace(/\D/g, '')));
  if (separator === ' ' && reader.reading) reader.unless(anotherColumn(reader.window, reader.at));
  return reader.matchFrom(start);
}

/** One more group of four, standing alone: columns of numbers, not a card. */
function anotherColumn(window: Window, at: number): Verdict {
  return new Reader(window, at).literal(' ').run(DIGIT, 4, 4).notBefore(COLUMN_GOES_ON).matchFrom(at);
}

function isCardNumber(digits: string): boolean {
  return ISSUERS.some(({ prefix, lengths }) => lengths.includes(digits.length) && prefix.test(digits)) && passesLuhn(digits);
}

const ISSUERS = [
  { name: 'Visa', prefix: /^4/, lengths: [13, 16, 19] },
  { name: 'Mastercard', prefix: /^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, lengths: [16] },
  { name: 'American Express', prefix: /^3[47]/, lengths: [15] },
  { name: 'Diners Club', prefix: /^3(?:0[0-5]|095|[689])/, lengths: [14] },
  { name: 'Discover', prefix: /^6(?:011|4[4-9]|5)/, lengths: [16, 19] },
  { name: 'UnionPay', prefix: /^62/, lengths: [16, 17, 18, 19] },
  { name: 'JCB', prefix: /^35(?:2[89]|[3-8])/, lengths: [16, 17, 18, 19] },
  { name: 'Maestro', prefix: /^(?:50[123]8|5893|6304|6759|676[1-3])/, lengths: [13, 15, 16, 18, 19] },
  { name: 'Mir', prefix: /^220[0-4]/, lengths: [16] },
];

/** Luhn's check (ISO/IEC 7812-1, annex B). */
function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let index = 0; index < digits.length; index += 1) {
    const digit = Number(digits[digits.length - 1 - index]);
    const doubled = digit * 2;
    sum += index % 2 === 0 ? digit : doubled - (doubled > 9 ? 9 : 0);
  }
  return sum % 10 === 0;
}

const NUMBERED_THINGS =
  'ids?|uid|gid|pid|order|ticket|trace|span|timestamp|ts|time|epoch|seq|sequence|offset|serial|build|version|hash|checksum|nonce|size|bytes|inode|isbn|imei|tracking|invoice|sku';
/** Such a word, then at most `number`, quotes and a colon, up to the digits. */
const NUMBERED_THING = new RegExp(
  `(?:^|[^a-z])(?:${NUMBERED_THINGS})(?:[ _-]?(?:no\\.?|num|number))?["'\\\\]{0,2}[ \\t]{0,2}[:=#]?[ \\t]{0,2}[#"'\\\\]{0,2}$`,
);

/** Whether the text before a number says that it counts or names something; `orderId` is read as two words. */
function isNumberedThing(before: string): boolean {
  return NUMBERED_THING.test(before.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase());
}
