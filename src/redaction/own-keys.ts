import { Reader, charSet, firstOf, type Verdict, type Window } from './reader.js';
import { ANY_HEX } from './shapes.js';

const BASE64_ANY = charSet('A-Za-z0-9+/_-');
/** Characters of a key of this gateway. */
const KEY_LENGTH = 55;
/** The last character may lack bits in base64. */
const KEY = /slp_[0-9A-Za-z]{12}_[0-9A-Za-z]{37}/;

/** Where a key stands in its group of three bytes: what is before its first own character, how its encoding begins, how long that is. */
const ALIGNMENTS = [0, 1, 2].map((offset) => {
  const encoded = Buffer.from(`${'\0'.repeat(offset)}slp_`).toString('base64');
  const skipped = Math.ceil((offset * 8) / 6);
  const last = (characters: number): number => Math.floor(((offset + characters) * 8) / 6);
  return { before: encoded.slice(0, skipped), stem: encoded.slice(skipped, last(4)), length: last(KEY_LENGTH) - skipped };
});

/** How an encoded key begins. */
export const BASE64_STEMS = ALIGNMENTS.map(({ stem }) => stem);
export const HEX_STEM = Buffer.from('slp_').toString('hex');

/** A key of this gateway in base64 or base64url, alone or within something longer, at any alignment. */
export function recogniseKeyInBase64(window: Window, at: number): Verdict {
  return firstOf(
    ...ALIGNMENTS.map(({ before, stem, length }) => () => {
      const reader = new Reader(window, at).literal(stem).run(BASE64_ANY, length - stem.length, length - stem.length);
      return reader.check(() => KEY.test(Buffer.from(before + reader.since(at), 'base64').toString('latin1'))).matchFrom(at);
    }),
  );
}

/** A key of this gateway in hex, of either case. */
export function recogniseKeyInHex(window: Window, at: number): Verdict {
  const reader = new Reader(window, at).word(HEX_STEM).run(ANY_HEX, 2 * KEY_LENGTH - HEX_STEM.length, 2 * KEY_LENGTH - HEX_STEM.length);
  return reader.check(() => KEY.test(Buffer.from(reader.since(at), 'hex').toString('latin1'))).matchFrom(at);
}
