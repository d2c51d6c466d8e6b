// Measures the redactor on the corpus and writes the table of docs/redaction.md. Needs the tests' build (`npm run build:tests`).
import { readFileSync, writeFileSync } from 'node:fs';
import prettier from 'prettier';
import { corpusTable } from '../.test-build/test/corpus/table.js';

const FILE = 'docs/redaction.md';
const OPENING = '<!-- generated:corpus -->';
const page = readFileSync(FILE, 'utf8');
const [before, rest] = page.split(OPENING);
const after = rest.slice(rest.indexOf('<!-- /generated -->'));
const text = await prettier.format(`${before}${OPENING}\n\n${corpusTable()}\n\n${after}`, { parser: 'markdown', printWidth: 140 });
writeFileSync(FILE, text);
console.log(page === text ? 'Everything is fresh.' : `Written: ${FILE}`);
