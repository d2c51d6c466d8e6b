import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PhraseBook } from './phrases.js';

const numbers = (_: string, text: string): unknown => (/^\d+$/.test(text) ? Number(text) : undefined);
const words = (_: string, text: string): unknown => text;
const log = { name: 'git.log', phrases: ['git log', 'git log of {repo}'], argumentFromText: words };
const last = { name: 'git.last', phrases: ['last {count} commits'], argumentFromText: numbers };
const week = { name: 'git.week', phrases: ['last weekly commits'], argumentFromText: words };
const greet = { name: 'greet', phrases: ['hello', 'hello {name}'], argumentFromText: words };
const ask = { name: 'ask', phrases: ['how do i {question...}', 'how do i look'], argumentFromText: words };
const book = new PhraseBook([log, last, week, greet, ask]);
const everything = () => true;

const meaning = (text: string, visible: (command: { name: string }) => boolean = everything) => {
  const found = book.resolve(text, visible);
  return found.kind === 'matched' ? [found.command.name, found.args] : found.suggestions;
};

describe('phrases', () => {
  it.each([
    ['git log', ['git.log', {}]],
    ['  GIT   Log?! ', ['git.log', {}]],
    ['git.log', ['git.log', {}]],
    ['git log of src/Main.', ['git.log', { repo: 'src/Main' }]],
    ['git log of .', ['git.log', { repo: '.' }]],
    ['git log of "my docs"?', ['git.log', { repo: 'my docs' }]],
    ['last 5 commits', ['git.last', { count: 5 }]],
    ['last weekly commits', ['git.week', {}]],
    ['hello Ada', ['greet', { name: 'Ada' }]],
    ['hello "Ada Lovelace"!', ['greet', { name: 'Ada Lovelace' }]],
    ['How do I rotate a "lost key"?', ['ask', { question: 'rotate a lost key' }]],
    ['how do I stop', ['ask', { question: 'stop' }]],
    ['how do I look', ['ask', {}]],
    ['how do I look into it', ['ask', { question: 'look into it' }]],
  ])('%j means %j', (text, expected) => {
    expect(meaning(text)).toEqual(expected);
  });

  it('take a slot only for a value of its type', () => {
    expect(meaning('last few commits')).toEqual(expect.arrayContaining(['last {count} commits']));
  });

  it('offer what is near, at most three, and nothing for nonsense', () => {
    expect(meaning('git lgo')).toEqual(expect.arrayContaining(['git log']));
    expect(meaning('helo')).toEqual(expect.arrayContaining(['hello']));
    expect(meaning('xyzzy')).toEqual([]);
    expect(meaning('')).toEqual([]);
    expect(meaning('git '.repeat(500))).toEqual([]);
  });

  it('neither match nor offer what the caller may not see (T35)', () => {
    const notGit = ({ name }: { name: string }) => !name.startsWith('git.');
    expect(meaning('git log', notGit)).toEqual([]);
    expect(book.suggest('git.lo', notGit)).toEqual([]);
  });

  it('never throw and always answer alike', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 200, unit: 'binary' }),
          fc.array(fc.constantFrom('git', 'log', 'of', '"', '.', '?', ' ', '{repo}', 'last')).map((parts) => parts.join(' ')),
        ),
        (text) => {
          expect(meaning(text)).toEqual(meaning(text));
        },
      ),
    );
  });
});
