import { suggest } from './suggestions.js';
import { parsePhrase, splitWords, type PhraseToken, type Word } from './phrase-text.js';

/** Longest text that is looked at; longer ones mean nothing. */
const MAX_TEXT = 1_000;

/** What phrases need to know of a command. */
export interface Phrased {
  readonly name: string;
  readonly phrases: readonly string[];
  /** A word typed by a person as a raw value of the param; undefined when it cannot be one. */
  argumentFromText(param: string, text: string): unknown;
}

export type TextResolution<Subject> =
  | { readonly kind: 'matched'; readonly command: Subject; readonly args: Readonly<Record<string, unknown>> }
  /** At most three names or phrases that come near. */
  | { readonly kind: 'unmatched'; readonly suggestions: readonly string[] };

interface Meaning<Subject> {
  readonly command: Subject;
  readonly slots: readonly string[];
}

class PhraseNode<Subject> {
  readonly words = new Map<string, PhraseNode<Subject>>();
  slot: PhraseNode<Subject> | undefined;
  rest: PhraseNode<Subject> | undefined;
  meaning: Meaning<Subject> | undefined;

  next(token: PhraseToken): PhraseNode<Subject> {
    if ('slot' in token) return token.rest ? (this.rest ??= new PhraseNode()) : (this.slot ??= new PhraseNode());
    const known = this.words.get(token.word);
    if (known) return known;
    const node = new PhraseNode<Subject>();
    this.words.set(token.word, node);
    return node;
  }
}

/**
 * All phrases as one tree of words. Case, white space and a closing mark do not matter; a fixed word wins over a slot, the first
 * difference deciding; a slot takes one word, or several in double quotes, that its param's type can read; a last slot `{x...}` takes all
 * words that are left, where nothing else fits. The same text always means the same. Work is bounded by the size of the tree, since each of its nodes can be reached by one way only.
 */
export class PhraseBook<Subject extends Phrased> {
  private readonly root = new PhraseNode<Subject>();

  /** A command's own name is a phrase for it. */
  constructor(private readonly commands: readonly Subject[]) {
    for (const command of commands) {
      for (const text of [command.name, ...command.phrases]) this.add(text, command);
    }
  }

  /** What a text means among the commands the caller may see. */
  resolve(text: string, visible: (command: Subject) => boolean): TextResolution<Subject> {
    if (text.length > MAX_TEXT) return { kind: 'unmatched', suggestions: [] };
    const words = splitWords(text);
    return (
      (words.length > 0 && this.match(this.root, words, [], visible)) || { kind: 'unmatched', suggestions: this.suggest(text, visible) }
    );
  }

  /** At most three names or phrases near to the text, of commands the caller may see. */
  suggest(text: string, visible: (command: Subject) => boolean): readonly string[] {
    if (text.length > MAX_TEXT) return [];
    const known = this.commands.filter(visible).flatMap(({ name, phrases }) => [name, ...phrases]);
    return suggest(text, known);
  }

  private add(text: string, command: Subject): void {
    const phrase = parsePhrase(text);
    if ('mistake' in phrase) return;
    const node = phrase.tokens.reduce((at, token) => at.next(token), this.root);
    node.meaning ??= { command, slots: phrase.tokens.flatMap((token) => ('slot' in token ? [token.slot] : [])) };
  }

  private match(
    node: PhraseNode<Subject>,
    words: readonly Word[],
    taken: readonly string[],
    visible: (command: Subject) => boolean,
  ): TextResolution<Subject> | undefined {
    const [word, ...rest] = words;
    if (word === undefined) return node.meaning && this.understand(node.meaning, taken, visible);
    const literal = word.quoted ? undefined : node.words.get(word.text.toLowerCase());
    const all = () => words.map(({ text }) => text).join(' ');
    return (
      (literal && this.match(literal, rest, taken, visible)) ??
      (node.slot && this.match(node.slot, rest, [...taken, word.text], visible)) ??
      (node.rest?.meaning && this.understand(node.rest.meaning, [...taken, all()], visible))
    );
  }

  private understand(
    { command, slots }: Meaning<Subject>,
    taken: readonly string[],
    visible: (command: Subject) => boolean,
  ): TextResolution<Subject> | undefined {
    if (!visible(command)) return undefined;
    const args = slots.map((slot, index) => [slot, command.argumentFromText(slot, taken[index] ?? '')] as const);
    return args.every(([, value]) => value !== undefined) ? { kind: 'matched', command, args: Object.fromEntries(args) } : undefined;
  }
}
