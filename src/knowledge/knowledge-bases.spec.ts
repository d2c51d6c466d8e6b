import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { KnowledgeBases } from './knowledge-bases.js';

let home: string;
let bases: KnowledgeBases;
const signal = new AbortController().signal;
const folders = () => [{ folder: join(home, 'docs'), name: 'docs' }];
const search = async (question: string, limit = 5) => (await bases.search(folders(), question, limit, signal)).passages;
const refresh = () => bases.refresh(folders(), signal, () => undefined);
const write = async (path: string, text: string) => {
  await mkdir(join(home, 'docs', path, '..'), { recursive: true });
  await writeFile(join(home, 'docs', path), text);
};

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'knowledge-'));
  await mkdir(join(home, 'docs'));
  bases = new KnowledgeBases(join(home, 'indexes'));
});

afterEach(async () => {
  await bases.stop();
  await rm(home, { recursive: true });
});

describe('a knowledge base', () => {
  it('finds the passage that answers, with its document, heading and line', async () => {
    await write(
      'keys.md',
      '# Keys\n\nA key is a credential.\n\n## Rotation\n\nTo rotate a key, call `rotate`; the old secret works on for a while.\n',
    );
    await write('deep/other.md', '# Weather\n\nIt rains.\n');
    const [best] = await search('How do I rotate a key?');
    expect(best).toMatchObject({ path: 'docs/keys.md', title: 'Keys', heading: 'Keys › Rotation', line: 7 });
    expect(best?.text).toContain('call `rotate`');
  });

  it('finds other forms of a word, in any case and with any accents', async () => {
    await write('a.txt', 'The café was rotating its CREDENTIALS.');
    for (const question of ['rotate', 'credential', 'cafe', 'CAFÉ']) expect(await search(question)).toHaveLength(1);
  });

  it('says what a refresh has changed, and finds what is new in a file', async () => {
    await write('a.md', 'alpha');
    await write('b.md', 'beta');
    expect(await refresh()).toMatchObject({ added: 2, changed: 0, removed: 0, unchanged: 0, documents: 2, passages: 2 });
    await write('a.md', 'gamma ray');
    await rm(join(home, 'docs', 'b.md'));
    expect(await refresh()).toMatchObject({ added: 0, changed: 1, removed: 1, unchanged: 0, documents: 1 });
    expect(await search('gamma')).toHaveLength(1);
    expect(await search('alpha beta')).toEqual([]);
  });

  it('reads no file again that is as it was, and takes one that was only touched for unchanged', async () => {
    await write('a.md', 'alpha');
    await refresh();
    expect(await refresh()).toMatchObject({ added: 0, changed: 0, unchanged: 1 });
    await utimes(join(home, 'docs', 'a.md'), 1, 1);
    expect(await refresh()).toMatchObject({ added: 0, changed: 0, unchanged: 1 });
  });

  it('keeps its index over a restart, and makes a damaged one anew', async () => {
    await write('a.md', 'alpha');
    await refresh();
    await bases.stop();
    bases = new KnowledgeBases(join(home, 'indexes'));
    expect(await refresh()).toMatchObject({ added: 0, unchanged: 1 });
    await bases.stop();
    const index = (await readdir(join(home, 'indexes'))).find((name) => name.endsWith('.db')) ?? '';
    await writeFile(join(home, 'indexes', index), 'this is no database'.repeat(1_000));
    bases = new KnowledgeBases(join(home, 'indexes'));
    expect(await refresh()).toMatchObject({ added: 1 });
  });

  it('follows no links and reads nothing hidden', async () => {
    await writeFile(join(home, 'outside.md'), 'outside');
    await symlink(join(home, 'outside.md'), join(home, 'docs', 'link.md'));
    await symlink(home, join(home, 'docs', 'folder'));
    await write('.hidden/a.md', 'hidden');
    await write('node_modules/a.md', 'module');
    await write('seen.md', 'seen');
    expect(await refresh()).toMatchObject({ documents: 1 });
  });

  it('names what it cannot read, and indexes the rest', async () => {
    await write('broken.pdf', 'this is no PDF');
    await write('a.md', 'alpha');
    expect(await refresh()).toMatchObject({ added: 1, unreadable: ['docs/broken.pdf'] });
  });

  it('says that a folder is not there', async () => {
    await expect(bases.search([{ folder: join(home, 'nowhere'), name: 'nowhere' }], 'x', 1, signal)).rejects.toThrow('ENOENT');
  });

  it('leaves a caller at once whose signal is aborted, and serves the others', async () => {
    await write('a.md', 'alpha');
    const leaving = new AbortController();
    const left = bases.search(folders(), 'alpha', 1, leaving.signal);
    const stayed = search('alpha');
    leaving.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    expect(await stayed).toHaveLength(1);
  });

  it('answers any text at all', async () => {
    await write('a.md', '# A\n\nalpha "beta" AND (gamma) OR -delta* ^epsilon: NEAR(zeta)');
    await refresh();
    const words = fc.oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('"', 'AND', 'NEAR(', '*', '-', '^', 'text:', '\0', ')('));
    await fc.assert(
      fc.asyncProperty(fc.array(words, { maxLength: 30 }), async (texts) => {
        expect(Array.isArray(await search(texts.join(' ')))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});
