import { chmod, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { ProcessInvocation } from '../domain/command.js';
import { PLAIN } from '../../test/fixtures/plain-launch.js';
import { writePrivateFiles } from './private-files.js';

let parent: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'private-files-spec-'));
});
afterEach(() => rm(parent, { recursive: true, force: true }));

function invocation(argv: string[], files: ProcessInvocation['files']): ProcessInvocation {
  const { outputBytes: _output, privateFolder: _folder, ...plain } = PLAIN;
  return { ...plain, kind: 'process', file: '/bin/true', argv, files };
}

describe('private files', () => {
  it('are readable by us alone and named in the places of their placeholders', async () => {
    const files = [
      { placeholder: '«file:body»', content: 'first ✓' },
      { placeholder: '«file:key»', content: '' },
    ];
    const written = await writePrivateFiles(invocation(['tool', '--body=«file:body»', '«file:key»', '--', '«file:body»'], files), parent);
    const [tool, option = '', key = '', dashes, body = ''] = written.argv;
    expect([tool, option, dashes]).toEqual(['tool', `--body=${body}`, '--']);
    expect([await readFile(body, 'utf8'), await readFile(key, 'utf8')]).toEqual(['first ✓', '']);
    expect((await stat(body)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(body))).mode & 0o777).toBe(0o700);
    await written.remove();
    expect(await readdir(parent)).toEqual([]);
  });

  it('leave every element alone that only contains a placeholder', async () => {
    const elements = ['x«f»', '«f»x', '-o=«f»', 'name=«f»', '--a=b=«f»', '--«f»'];
    const written = await writePrivateFiles(invocation(elements, [{ placeholder: '«f»', content: '' }]), parent);
    expect(written.argv).toEqual(elements);
    await written.remove();
  });

  it('change nothing when there are none', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string()), async (argv) => {
        expect((await writePrivateFiles(invocation(argv, []), parent)).argv).toEqual(argv);
      }),
    );
    expect(await readdir(parent)).toEqual([]);
  });

  it('are not left behind when one of them cannot be written', async () => {
    const bad = { placeholder: '«f»', content: undefined as unknown as string };
    await expect(writePrivateFiles(invocation(['tool', '«f»'], [bad]), parent)).rejects.toThrow();
    expect(await readdir(parent)).toEqual([]);
  });

  it('are removed though the command took our permissions away, or removed them itself', async () => {
    const written = await writePrivateFiles(invocation(['«f»'], [{ placeholder: '«f»', content: 'x' }]), parent);
    await chmod(dirname(written.argv[0] as string), 0o000);
    await written.remove();
    await written.remove();
    expect(await readdir(parent)).toEqual([]);
  });
});
