// Writes the table of docs/promises.md from test/planted. Needs the tests' build (`npm run build:tests`).
import { readFileSync, writeFileSync } from 'node:fs';
import prettier from 'prettier';
import { promisesTable } from '../.test-build/test/planted/promises-page.js';

const FILE = 'docs/promises.md';
const OPENING = '<!-- generated:promises -->';
const page = readFileSync(FILE, 'utf8');
const [before, rest] = page.split(OPENING);
const after = rest.slice(rest.indexOf('<!-- /generated -->'));
const text = await prettier.format(`${before}${OPENING}\n\n${promisesTable()}\n\n${after}`, { parser: 'markdown', printWidth: 140 });
writeFileSync(FILE, text);
console.log(page === text ? 'Everything is fresh.' : `Written: ${FILE}`);
