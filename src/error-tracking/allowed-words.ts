import { LRUCache } from 'lru-cache';

const MOST_WORDS = 2_000;
const LONGEST_WORD = 200;

/**
 * Ids, routes and names that the gateway itself has put into a report. Whatever else stands where one of them is expected stays here.
 * Forgets those that were not used for long: reports leave at once.
 */
export class AllowedWords {
  private readonly words = new LRUCache<string, true>({ max: MOST_WORDS });

  /** Returns the word. */
  allow(word: string): string {
    if (word.length <= LONGEST_WORD) this.words.set(word, true);
    return word;
  }

  has(word: string): boolean {
    return this.words.get(word) === true;
  }
}
