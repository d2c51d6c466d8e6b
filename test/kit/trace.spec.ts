import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readTrace, type TraceEvent } from './trace.js';

async function read(...lines: string[]): Promise<TraceEvent[]> {
  const folder = await mkdtemp(join(tmpdir(), 'trace-spec-'));
  const file = join(folder, 'trace');
  await writeFile(file, lines.join('\n'));
  const events = await readTrace(file, '/home');
  await rm(folder, { recursive: true });
  return events;
}

describe('reading a trace', () => {
  it('gives the bytes as they were, and only what is about the folder', async () => {
    expect(
      await read(
        String.raw`7  pwrite64(30</home/data/a>, "\0a\1012\"\\\n\377,)", 10, 24) = 10`,
        '7  pwrite64(31</elsewhere/a>, "x", 1, 0) = 1',
        '7  fsync(30</home/data/a>) = -1 EIO (Input/output error)',
        '8  +++ exited with 0 +++',
        '8  --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED} ---',
      ),
    ).toEqual([{ kind: 'written', path: '/home/data/a', offset: 24, bytes: Buffer.from('\0aA2"\\\n\xff,)', 'latin1') }]);
  });

  it('counts a sync from its return, and something sent from its start', async () => {
    const kinds = await read(
      '7  fsync(30</home/data/a> <unfinished ...>',
      '8  write(9<socket:[1]>, "HTTP/1.1 200 OK", 15 <unfinished ...>',
      '7  <... fsync resumed>) = 0',
      '8  <... write resumed>) = 15',
      '9  execve("/bin/sh", ["sh", "-c", "a, b"], 0x1 /* 3 vars */ <unfinished ...>',
      '9  <... execve resumed>) = 0',
    );
    expect(kinds).toEqual([
      { kind: 'sent', bytes: Buffer.from('HTTP/1.1 200 OK') },
      { kind: 'synced', path: '/home/data/a' },
      { kind: 'executed', argv: ['sh', '-c', 'a, b'] },
    ]);
  });

  it('follows files from one plain write to the next', async () => {
    expect(
      await read(
        '7  openat(AT_FDCWD</home>, "data/a", O_WRONLY|O_CREAT|O_EXCL, 0600) = 5</home/data/a>',
        '7  write(5</home/data/a>, "ab", 2) = 2',
        '7  write(5</home/data/a>, "c", 1) = 1',
        '7  rename("/home/data/a", "/home/data/b") = 0',
      ),
    ).toEqual([
      { kind: 'created', path: '/home/data/a' },
      { kind: 'written', path: '/home/data/a', offset: 0, bytes: Buffer.from('ab') },
      { kind: 'written', path: '/home/data/a', offset: 2, bytes: Buffer.from('c') },
      { kind: 'renamed', path: '/home/data/a', to: '/home/data/b' },
    ]);
  });

  it('refuses what it would misread', async () => {
    await expect(read('7  fallocate(5</home/data/a>, 0, 0, 4096) = 0')).rejects.toThrow('fallocate');
  });
});
