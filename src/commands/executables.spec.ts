import { describe, expect, it } from '@jest/globals';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { temporaryFolder } from '../../test/kit/catalogue-of.js';
import { findProgram, safeFolders } from './executables.js';

function folderWith(program: string, folderMode: number, programMode: number): string {
  const folder = join(temporaryFolder(), 'bin');
  mkdirSync(folder);
  writeFileSync(join(folder, program), '#!/bin/sh\n');
  chmodSync(join(folder, program), programMode);
  chmodSync(folder, folderMode);
  return folder;
}

describe('programs (T17)', () => {
  it('come from the folders of PATH, first folder first', async () => {
    const [first, second] = [folderWith('tool', 0o755, 0o755), folderWith('tool', 0o755, 0o755)];
    expect(await findProgram('tool', [first, second])).toEqual({ kind: 'found', file: join(first, 'tool') });
    expect(await findProgram(join(second, 'tool'), [])).toEqual({ kind: 'found', file: join(second, 'tool') });
    expect(await findProgram('other', [first])).toEqual({ kind: 'missing' });
  });

  it('never come from relative, empty, missing or open folders', async () => {
    const open = folderWith('tool', 0o777, 0o755);
    const sticky = folderWith('tool', 0o1777, 0o755);
    const good = folderWith('tool', 0o755, 0o755);
    const searchPath = ['', '.', 'bin', relative(process.cwd(), good), '/no/such/folder', open, sticky, good, ''].join(':');
    expect(await safeFolders(searchPath)).toEqual([good]);
    expect(await findProgram(join(open, 'tool'), [])).toHaveProperty('kind', 'unsafe');
  });

  it('must be files that can be run and that not everybody can change', async () => {
    expect(await findProgram('tool', [folderWith('tool', 0o755, 0o644)])).toEqual({ kind: 'missing' });
    expect(await findProgram('tool', [folderWith('tool', 0o755, 0o757)])).toHaveProperty('kind', 'unsafe');
    const folder = folderWith('tool', 0o755, 0o755);
    mkdirSync(join(folder, 'folder'));
    expect(await findProgram('folder', [folder])).toEqual({ kind: 'missing' });
  });

  it('are judged by where a symlink leads', async () => {
    const good = folderWith('tool', 0o755, 0o755);
    symlinkSync(join(folderWith('tool', 0o777, 0o755), 'tool'), join(good, 'alias'));
    expect(await findProgram('alias', [good])).toHaveProperty('kind', 'unsafe');
  });
});
