import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { PLANTED_BUGS } from './planted/planted-bugs.js';
import { promisesTable } from './planted/promises-page.js';
import { PROMISES } from './planted/promises.js';

const promises = Object.entries(PROMISES);
const cellsOf = (table: string) => table.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));

describe('what we promise', () => {
  it('is tried by tests that are there, and each of them was seen to fail', () => {
    const untried = promises.filter(
      ([id, { tests, waitsFor }]) => waitsFor === undefined && (tests.length === 0 || !PLANTED_BUGS.some(({ rows }) => rows.includes(id))),
    );
    expect(untried.map(([id]) => id)).toEqual([]);
    const files = promises.flatMap(([, { tests, torture = [] }]) => [...tests, ...torture]);
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
  });

  it('is what docs/promises.md says (npm run generate:promises)', () => {
    const [, table = ''] =
      /<!-- generated:promises -->\n\n(.*?)\n\n<!-- \/generated -->/s.exec(readFileSync('docs/promises.md', 'utf8')) ?? [];
    const withoutRule = (lines: readonly (readonly string[])[]) => lines.filter(([, id = '']) => !/^-+$/.test(id));
    expect(withoutRule(cellsOf(table))).toEqual(withoutRule(cellsOf(promisesTable())));
  });
});

describe('a planted bug', () => {
  it('breaks promises that there are, and is found by one of their tests', () => {
    const strange = PLANTED_BUGS.filter(({ rows, test }) => rows.length === 0 || rows.some((id) => !PROMISES[id]?.tests.includes(test)));
    expect(strange.map(({ rows, bug, test }) => `${rows.join(' ')}: ${bug}: ${test}`)).toEqual([]);
  });

  it('is the only one of its name, and changes something', () => {
    const names = PLANTED_BUGS.map(({ bug }) => bug);
    expect(names.filter((name, place) => names.indexOf(name) !== place)).toEqual([]);
    expect(PLANTED_BUGS.filter(({ find, replace, title }) => find === replace || title === '')).toEqual([]);
  });

  it('stands in the code exactly once: the list follows the code', () => {
    const lost = PLANTED_BUGS.filter(({ file, find }) => readFileSync(file, 'utf8').split(find).length !== 2);
    expect(lost.map(({ file, bug }) => `${file}: ${bug}`)).toEqual([]);
  });
});
