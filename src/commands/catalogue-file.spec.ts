import { describe, expect, it } from '@jest/globals';
import { readCatalogueFile } from './catalogue-file.js';

const messages = (text: string) => readCatalogueFile(text).problems.map(({ line, column, message }) => `${line}:${column} ${message}`);

describe('reading a catalogue file (T14)', () => {
  it('takes plain YAML', () => {
    expect(readCatalogueFile('commands:\n  a: { x: [1, "2"] }\n').content).toEqual({ commands: { a: { x: [1, '2'] } } });
  });

  it.each([
    ['an anchor', 'a: &x 1\n', '1:7 anchors are not allowed'],
    ['an alias', 'a: &x 1\nb: *x\n', '2:4 aliases are not allowed'],
    ['a tag', 'a: 1\nb: !!str 2\n', '2:10 tags are not allowed'],
    ['a tag of its own', 'a: !run 2\n', '1:9 tags are not allowed'],
    ['a tag on a mapping', 'a: !!map {}\n', '1:10 tags are not allowed'],
    ['a merge key', 'a:\n  <<: { b: 1 }\n', '2:3 merge keys are not allowed'],
    ['a directive', '%YAML 1.1\n---\na: yes\n', '1:1 YAML directives are not allowed'],
    ['a prototype key', 'a:\n  __proto__: 1\n', '2:3 this key is not allowed'],
    ['a constructor key', 'constructor: 1\n', '1:1 this key is not allowed'],
    ['a number as a key', '1: a\n', '1:1 expected a plain text key'],
    ['a list as a key', '? [a]\n: b\n', '1:3 expected a plain text key'],
  ])('refuses %s, with its place', (_, text, message) => {
    expect(messages(text)).toContain(message);
    expect(readCatalogueFile(text).content).toBeUndefined();
  });

  it.each([
    ['duplicate keys', 'a: 1\na: 2\n', /^2:1 .*unique/],
    ['a second document', 'a: 1\n---\nb: 2\n', /^2:1 .*multiple documents/],
    ['a half-written file', 'a: [1, 2\n', /not readable as YAML/],
  ])('refuses %s', (_, text, message) => {
    expect(messages(text).join()).toMatch(message);
  });

  it('refuses a bomb of aliases and of depth without growing', () => {
    const bomb = ['a: &a [x, x]', ...Array.from({ length: 30 }, (_, i) => `b${i}: &b${i} [*a, *a]`)].join('\n');
    expect(messages(bomb).length).toBeGreaterThan(0);
    expect(messages('['.repeat(200_000)).length).toBeGreaterThan(0);
  });

  it('finds the line of a key, a list item and the nearest parent of what is missing', () => {
    const file = readCatalogueFile('commands:\n  a.b:\n    exec:\n      - one\n      - two\n');
    expect(file.locate(['commands', 'a.b', 'exec', 1])).toEqual({ line: 5, column: 9 });
    expect(file.locate(['commands', 'a.b'])).toEqual({ line: 2, column: 3 });
    expect(file.locate(['commands', 'a.b', 'summary'])).toEqual({ line: 2, column: 3 });
  });
});
