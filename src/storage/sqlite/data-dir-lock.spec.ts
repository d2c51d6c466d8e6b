import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../../test/kit/eventually.js';
import { temporaryFolder } from '../../../test/kit/storage.js';
import { DataDirLock } from './data-dir-lock.js';

describe('the lock of DATA_DIR', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await temporaryFolder();
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('is held by one at a time', () => {
    const [first, second] = [new DataDirLock(folder), new DataDirLock(folder)];
    first.acquire();
    expect(() => second.acquire()).toThrow(expect.objectContaining({ code: 'conflict' }));
    first.release();
    first.release();
    second.acquire();
    second.release();
  });

  it('goes with the process that held it', async () => {
    const module = new URL('./data-dir-lock.js', import.meta.url).href;
    const program = `const { DataDirLock } = await import(${JSON.stringify(module)});
      const lock = new DataDirLock(${JSON.stringify(folder)}); lock.acquire(); process.stdout.write('held');
      setInterval(() => lock, 1_000); // A lock that nobody knows any more is collected, and let go.`;
    const holder = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
    try {
      await once(holder.stdout, 'data');
      expect(() => new DataDirLock(folder).acquire()).toThrow(expect.objectContaining({ code: 'conflict' }));
    } finally {
      holder.kill('SIGKILL');
    }
    const lock = new DataDirLock(folder);
    await eventually(() => lock.acquire());
    lock.release();
  });
});
