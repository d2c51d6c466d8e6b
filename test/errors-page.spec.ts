import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { ERRORS } from '../src/domain/errors.js';

describe('docs/errors.md', () => {
  const page = readFileSync('docs/errors.md', 'utf8');

  it('explains every code, and no other', () => {
    expect([...page.matchAll(/^## `(\w+)`$/gm)].map((match) => match[1]).sort()).toEqual(Object.keys(ERRORS).sort());
  });

  it('gives each code its status', () => {
    const statuses = Object.fromEntries([...page.matchAll(/^## `(\w+)`\n\n\*\*(\d+):/gm)].map((match) => [match[1], Number(match[2])]));
    expect(statuses).toEqual(Object.fromEntries(Object.entries(ERRORS).map(([code, { status }]) => [code, status])));
  });
});
