import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { temporaryFolder } from '../../test/kit/storage.js';
import { SecretKeyFile } from './secret-key-file.js';

describe('the secret of DATA_DIR', () => {
  let folder: string;
  let file: string;

  beforeEach(async () => {
    folder = await temporaryFolder();
    file = join(folder, 'secret.key');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  function opened(): SecretKeyFile {
    const key = new SecretKeyFile(folder);
    key.open();
    return key;
  }

  it('is made once, for us alone, and leaves nothing else behind', async () => {
    const { bytes } = opened();
    expect(await readdir(folder)).toEqual(['secret.key']);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect([bytes.length, await readFile(file)]).toEqual([32, bytes]);
    expect(opened().bytes).toEqual(bytes);
  });

  it('is another one in another folder', async () => {
    const { bytes } = opened();
    await rm(file);
    expect(opened().bytes).not.toEqual(bytes);
  });

  it('is the same for programs that make it at the same time', async () => {
    const script = `const { SecretKeyFile } = await import(${JSON.stringify(new URL('./secret-key-file.js', import.meta.url).href)});
      await new Promise((resolve) => process.stdin.once('data', resolve));
      const key = new SecretKeyFile(${JSON.stringify(folder)});
      key.open();
      console.log(key.bytes.toString('hex'));
      process.exit(0);`;
    const programs = Array.from({ length: 6 }, () => spawn(process.execPath, ['--input-type=module', '-e', script]));
    const printed = programs.map(({ stdout }) => text(stdout));
    await Promise.all(programs.map((program) => once(program, 'spawn')));
    for (const { stdin } of programs) stdin.write('go\n');
    const keys = new Set(await Promise.all(printed));
    expect([...keys]).toEqual([`${(await readFile(file)).toString('hex')}\n`]);
    expect(await readdir(folder)).toEqual(['secret.key']);
  });

  it.each([0, 31, 33, 4096])('of %d bytes is refused and left as it is', async (length) => {
    await writeFile(file, Buffer.alloc(length));
    expect(() => opened()).toThrow(expect.objectContaining({ code: 'storage_unavailable', message: expect.stringContaining('32 bytes') }));
    expect((await stat(file)).size).toBe(length);
  });

  it('that cannot be read or made is refused', async () => {
    await mkdir(file);
    const refusal = expect.objectContaining({ code: 'storage_unavailable', message: expect.stringContaining('cannot be read or made') });
    expect(() => opened()).toThrow(refusal);
    expect(() => new SecretKeyFile(join(folder, 'nowhere')).open()).toThrow(refusal);
  });

  it('is nothing before it is opened', () => {
    expect(() => new SecretKeyFile(folder).bytes).toThrow(/not open/);
  });
});
