import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../test/kit/catalogue-of.js';
import { isInside, resolveInJail, type Jail } from './path-jail.js';

const base = temporaryFolder();
const root = join(base, 'root');
mkdirSync(join(root, 'dir'), { recursive: true });
mkdirSync(join(base, 'root-neighbour'));
writeFileSync(join(root, 'file'), 'x');
writeFileSync(join(base, 'secret'), 'x');
symlinkSync(join(base, 'secret'), join(root, 'link-out'));
symlinkSync(base, join(root, 'dir-out'));
symlinkSync('file', join(root, 'link-in'));
symlinkSync(join(base, 'not-there'), join(root, 'dangling'));
symlinkSync('loop', join(root, 'loop'));
symlinkSync('/proc/self', join(root, 'self'));
linkSync(join(root, 'file'), join(root, 'hard'));
execFileSync('mkfifo', [join(root, 'pipe')]);

const look = (text: string, jail: Partial<Jail> = {}) => resolveInJail(text, { root, mustExist: false, kind: 'any', ...jail });

describe('the jail of a path (T12)', () => {
  it.each([
    ['.', root],
    ['file', join(root, 'file')],
    ['dir/../file', join(root, 'file')],
    ['link-in', join(root, 'file')],
    ['new/deep/thing', join(root, 'new/deep/thing')],
    [join(root, 'dir'), join(root, 'dir')],
    ['..%2fsecret', join(root, '..%2fsecret')],
    ['...', join(root, '...')],
    ['hard', join(root, 'hard')],
  ])('lets %j in', async (text, path) => {
    expect(await look(text)).toEqual({ path });
  });

  it.each([
    '..',
    '../secret',
    'dir/../../secret',
    '/etc/passwd',
    '/',
    '../root-neighbour',
    'link-out',
    'dir-out/secret',
    'dir-out/new',
    'self/environ',
    '/proc/self/environ',
  ])('keeps %j out', async (text) => {
    expect(await look(text)).toEqual({ refusal: 'must stay inside the folder this command works in' });
  });

  it.each(['dangling', 'dangling/x', 'loop', 'file/x', 'a'.repeat(300)])('cannot reach %j', async (text) => {
    expect(await look(text)).toEqual({ refusal: 'cannot be reached' });
  });

  it('answers the same for what is and what is not there outside', async () => {
    expect(await look('../secret')).toEqual(await look('../nothing'));
    expect(await look('dir-out/secret', { mustExist: true })).toEqual(await look('dir-out/nothing', { mustExist: true }));
  });

  it('asks for existence and kind', async () => {
    expect(await look('new', { mustExist: true })).toEqual({ refusal: 'does not exist' });
    expect(await look('dir', { kind: 'file' })).toEqual({ refusal: 'must be a file' });
    expect(await look('file', { kind: 'directory' })).toEqual({ refusal: 'must be a directory' });
    expect(await look('pipe')).toEqual({ refusal: 'must be a file or directory' });
    expect(await look('/dev/null', { root: '/' })).toEqual({ refusal: 'must be a file or directory' });
    expect(await look('/proc/version', { root: '/' })).toHaveProperty('refusal');
  });

  it('never answers with a path outside, whatever is asked', async () => {
    const part = fc.constantFrom(
      '..',
      '.',
      '',
      'dir',
      'file',
      'link-out',
      'dir-out',
      'self',
      'root',
      'secret',
      '~',
      '%2e%2e',
      '..;',
      'new',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 6 }), fc.boolean(), async (parts, absolute) => {
        const verdict = await look((absolute ? '/' : '') + parts.join('/'));
        if ('path' in verdict) expect(isInside(root, verdict.path)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
