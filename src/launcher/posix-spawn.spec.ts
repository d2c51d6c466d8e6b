import { afterAll, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostLaunch } from './host-protocol.js';
import { OwnProcess } from './own-process.js';
import type { ChildEvents } from './node-spawn.js';
import { PosixSpawner } from './posix-spawn.js';

const CLOSE_ON_EXEC = 0o2000000;

const self = new OwnProcess();
const { libc } = self;
const spawner = new PosixSpawner(self);
afterAll(() => spawner.readiness.polling.close());

describe('the descriptors that are watched', () => {
  function pipe(): readonly [reader: number, writer: number] {
    const ends = new Int32Array(2);
    expect(libc.pipe2(ends, CLOSE_ON_EXEC)).toBe(0);
    return [ends[0]!, ends[1]!];
  }

  it('are forgotten when they are closed, also while a child that is being made still holds a copy', async () => {
    const [reader, writer] = pipe();
    const [copy, copyWriter] = pipe();
    libc.dup3(reader, copy, CLOSE_ON_EXEC);
    const told = new Set<string>();
    spawner.watch(reader, () => told.add('first'));
    libc.close(writer);
    spawner.close(reader);
    const [next, nextWriter] = pipe();
    expect(next).toBe(reader);
    // Nothing is in it: to be told of it would mean to wait in reading.
    spawner.watch(next, () => told.add('next'));
    await delay(50);
    expect([...told]).toEqual([]);
    libc.write(nextWriter, Buffer.from('x'), 1);
    await delay(50);
    expect([...told]).toEqual(['next']);
    spawner.close(next);
    for (const descriptor of [copy, copyWriter, nextWriter]) libc.close(descriptor);
  });
});

/** F_SETPIPE_SZ lets it end with more in its pipe than one read takes. */
const LARGE_PIPE = `
  const koffi = require('koffi');
  koffi.load(null).func('int fcntl(int, int, int)')(1, 1031, 1 << 20);
  require('node:fs').writeSync(1, Buffer.alloc(200_000));
`;

describe('children of one turn', () => {
  function launch(argv: readonly [string, ...string[]]): HostLaunch {
    return { file: argv[0], argv, env: {}, cwd: process.cwd(), stdin: null, outputBytes: 1, sandbox: null, group: null };
  }

  /** Bytes of its stdout, and its exit code. */
  function started(argv: readonly [string, ...string[]]): Promise<{ readonly bytes: number; readonly code: number | null }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ readonly bytes: number; readonly code: number | null }>();
    let bytes = 0;
    const events: ChildEvents = {
      onOutput: (_stream, data) => void (bytes += data.length),
      onExit: () => undefined,
      onEnd: (code) => resolve({ bytes, code }),
      onFailure: reject,
    };
    spawner.spawn(launch(argv), events);
    return promise;
  }

  it('are not read on when one that is looked at for the first time asks for a pause', async () => {
    const { promise, resolve } = Promise.withResolvers<number | null>();
    let bytes = 0;
    const child = spawner.spawn(launch(['/usr/bin/head', '-c', '300000', '/dev/zero']), {
      onOutput: (_stream, data) => {
        bytes += data.length;
        child?.pause();
      },
      onExit: () => undefined,
      onEnd: resolve,
      onFailure: () => resolve(null),
    });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    await delay(200);
    const before = bytes;
    const reading = setInterval(() => child?.resume(), 5);
    const code = await promise;
    clearInterval(reading);
    expect({ before, code, bytes }).toEqual({ before: 65_536, code: 0, bytes: 300_000 });
  });

  it('are read to their end, whether they ended before anybody looked or wait for somebody to read', async () => {
    const ends = [0, 1, 65_535, 65_536, 65_537, 300_000].map((bytes) => started(['/usr/bin/head', '-c', String(bytes), '/dev/zero']));
    ends.push(started([process.execPath, '-e', LARGE_PIPE]));
    ends.push(started(['/bin/sh', '-c', 'exec >&- 2>&-; exit 3']));
    // Nobody looks at them meanwhile.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
    expect((await Promise.all(ends)).map(({ bytes, code }) => [bytes, code])).toEqual([
      [0, 0],
      [1, 0],
      [65_535, 0],
      [65_536, 0],
      [65_537, 0],
      [300_000, 0],
      [200_000, 0],
      [0, 3],
    ]);
  });
});
