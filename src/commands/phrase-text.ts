/** A part of a phrase: a word that must be said, or a slot that takes the value of a param; the last one may take all words that are left. */
export type PhraseToken = { readonly word: string } | { readonly slot: string; readonly rest: boolean };

export interface Phrase {
  readonly tokens: readonly PhraseToken[];
}

const MAX_WORDS = 20;

/** `last {count} commits` → word, slot, word; or what is wrong with it. */
export function parsePhrase(text: string): Phrase | { readonly mistake: string } {
  const tokens: PhraseToken[] = [];
  for (const { text: token } of splitWords(text)) {
    const [, slot, dots] = /^\{([A-Za-z][A-Za-z0-9_]*)(\.{3})?\}$/.exec(token) ?? [];
    if (slot === undefined && /[{}]/.test(token))
      return { mistake: 'a slot must be a whole word, as {x}, or as {x...} for all that is left' };
    tokens.push(slot === undefined ? { word: token.toLowerCase() } : { slot, rest: dots !== undefined });
  }
  if (tokens.slice(0, -1).some((token) => 'slot' in token && token.rest))
    return { mistake: 'only the last slot may take all that is left' };
  if (!tokens.some((token) => 'word' in token)) return { mistake: 'expected at least one fixed word' };
  if (tokens.length > MAX_WORDS) return { mistake: `expected at most ${MAX_WORDS} words` };
  const slots = slotsOf({ tokens });
  return new Set(slots).size === slots.length ? { tokens } : { mistake: 'names a slot twice' };
}

export function slotsOf({ tokens }: Phrase): readonly string[] {
  return tokens.flatMap((token) => ('slot' in token ? [token.slot] : []));
}

/** Phrases of the same shape mean the same texts. */
export function shapeOf({ tokens }: Phrase): string {
  return tokens.map((token) => ('word' in token ? token.word : token.rest ? '{...}' : '{}')).join(' ');
}

/** A word of a text; a quoted one is never taken for a fixed word of a phrase. */
export interface Word {
  readonly text: string;
  readonly quoted: boolean;
}

/** The words of a text: parted by white space, kept together by double quotes, the sentence's last mark (`?`, `!`, `.`) left off. */
export function splitWords(text: string): readonly Word[] {
  const words = [...text.trim().matchAll(/"([^"]*)"(?=\s|[?!.]*$)|(\S+)/g)].map(([, quoted, bare = '']) => ({
    text: quoted ?? bare,
    quoted: quoted !== undefined,
  }));
  const last = words.at(-1);
  if (last === undefined || last.quoted) return words;
  const kept = last.text.replace(/(?<=[^?!.])[?!.]{1,10}$|^[?!]{1,10}$/, '');
  return [...words.slice(0, -1), ...(kept === '' ? [] : [{ text: kept, quoted: false }])];
}
