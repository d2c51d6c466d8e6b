import { describe, expect, it } from '@jest/globals';
import { renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { catalogueFolder } from '../../test/kit/catalogue-of.js';

const text = (summary: string, name = 'say') => `commands: { ${name}: { summary: ${summary}, effect: read, exec: [echo, ${summary}] } }\n`;

describe('the catalogue', () => {
  it('is empty until it is loaded', async () => {
    const { catalogue } = catalogueFolder(text('one'));
    expect(catalogue.all()).toEqual([]);
    expect(catalogue.loadedAt).toBeNull();
    expect(await catalogue.reload()).toEqual({ added: ['say'], changed: [], removed: [] });
    expect(catalogue.get('say')?.summary).toBe('one');
    expect(catalogue.get('toString')).toBeUndefined();
    expect(catalogue.loadedAt).not.toBeNull();
  });

  it('changes as a whole and says what changed', async () => {
    const { folder, catalogue } = catalogueFolder(text('one'));
    await catalogue.reload();
    const [before, digest] = [catalogue.get('say'), catalogue.digest];
    writeFileSync(join(folder, 'test.yaml'), text('two'));
    writeFileSync(join(folder, 'more.yaml'), text('three', 'more'));
    expect(await catalogue.reload()).toEqual({ added: ['more'], changed: ['say'], removed: [] });
    expect(before?.summary).toBe('one');
    expect(catalogue.digest).not.toBe(digest);
    rmSync(join(folder, 'more.yaml'));
    expect(await catalogue.reload()).toEqual({ added: [], changed: [], removed: ['more'] });
  });

  it('keeps its digest and versions when nothing changes', async () => {
    const { catalogue } = catalogueFolder(text('one'));
    await catalogue.reload();
    const [version, digest] = [catalogue.get('say')?.version, catalogue.digest];
    expect(await catalogue.reload()).toEqual({ added: [], changed: [], removed: [] });
    expect([catalogue.get('say')?.version, catalogue.digest]).toEqual([version, digest]);
  });

  it.each([
    ['broken', (file: string) => writeFileSync(file, 'commands: { say: [')],
    ['empty', (file: string) => writeFileSync(file, '')],
    ['half-written', (file: string) => writeFileSync(file, text('two').slice(0, 30))],
    ['renamed', (file: string) => renameSync(file, `${file}.off`)],
    ['swapped for a dangling symlink', (file: string) => (rmSync(file), symlinkSync('/nowhere', file))],
  ])('stays as it was when a file is %s (T58)', async (_, spoil) => {
    const { folder, catalogue } = catalogueFolder(text('one'));
    await catalogue.reload();
    spoil(join(folder, 'test.yaml'));
    await expect(catalogue.reload()).rejects.toThrow('The catalogue has');
    expect(catalogue.get('say')?.summary).toBe('one');
    rmSync(join(folder, 'test.yaml'), { force: true });
    writeFileSync(join(folder, 'test.yaml'), text('two'));
    await catalogue.reload();
    expect(catalogue.get('say')?.summary).toBe('two');
  });

  it('resolves text among what the caller may see', async () => {
    const { catalogue } = catalogueFolder(text('one'));
    await catalogue.reload();
    expect(catalogue.resolveText('Say!', () => true)).toMatchObject({ kind: 'matched', command: { name: 'say' }, args: {} });
    expect(catalogue.resolveText('say', () => false)).toEqual({ kind: 'unmatched', suggestions: [] });
    expect(catalogue.suggest('sai', () => true)).toEqual(['say']);
  });
});
