/** Words that every English question has, and that tell no passage from another. */
const STOP_WORDS = new Set(
  (
    'a an and any are as at be been but by can could did do does for from get had has have how i if in into is it its me my of on or our ' +
    'please shall should so than that the their them then there these they this to us use was we were what when where which who whom why ' +
    'will with would you your'
  ).split(' '),
);
const MOST_WORDS = 16;
const LONGEST_WORD = 64;

/** The same question in the language of FTS5: one that demands all words, and one that is content with any. */
export interface MatchQuery {
  readonly all: string;
  readonly any: string;
}

/**
 * Words of a free text, each as a quoted term: nothing in it is an operator. Words that are in every question are left out, unless
 * there are no others. Null when there is no word at all.
 */
export function matchQueryOf(text: string): MatchQuery | null {
  const words = [
    ...new Set(
      text
        .normalize('NFKC')
        .toLowerCase()
        .match(/[\p{L}\p{N}_]+/gu) ?? [],
    ),
  ].filter(({ length }) => length <= LONGEST_WORD);
  const telling = words.filter((word) => !STOP_WORDS.has(word));
  const terms = (telling.length > 0 ? telling : words).slice(0, MOST_WORDS).map((word) => `"${word}"`);
  return terms.length === 0 ? null : { all: terms.join(' AND '), any: terms.join(' OR ') };
}
