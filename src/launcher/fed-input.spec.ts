import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fixture } from '../../test/fixtures/fixture.js';
import { launch as launchWith } from '../../test/fixtures/launched-run.js';
import { eventually } from '../../test/kit/eventually.js';
import { ProcessLauncher } from './process-launcher.js';

const MEBIBYTE = 1024 * 1024;

/** Pieces of an input, with what became of their source. */
class Source {
  given = 0;
  isLeft = false;

  constructor(private readonly pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const piece of this.pieces) {
        this.given += 1;
        yield piece;
      }
    } finally {
      this.isLeft = true;
    }
  }
}

function* repeated(piece: Uint8Array, times = Infinity): Generator<Uint8Array, void, undefined> {
  for (let time = 0; time < times; time++) yield piece;
}

describe.each([
  ['posix_spawn', true],
  ['child_process', false],
])('a stdin that comes while the program runs (%s)', (_mechanism, ffi) => {
  const launcher = new ProcessLauncher({ hosts: 1, ffi });
  const launch = (argv: readonly [string, ...string[]], source: AsyncIterable<Uint8Array>) => launchWith(launcher, argv, { stdin: source });

  beforeAll(() => launcher.start());
  afterAll(() => launcher.stop());

  it('arrives whole and in order, and ends', async () => {
    const pieces = Array.from({ length: 40 }, (_, index) => Buffer.alloc(index * 7_919, String.fromCharCode(97 + (index % 26))));
    const run = launchWith(launcher, [fixture('reads-stdin')], { stdin: new Source(pieces), outputBytes: 16 * MEBIBYTE });
    expect(await run.ended).toEqual({ kind: 'exited', code: 0 });
    expect(Buffer.concat(run.stdout).equals(Buffer.concat(pieces))).toBe(true);
  });

  it('is answered piece by piece', async () => {
    let next = Promise.withResolvers<Buffer | null>();
    const conversation = (async function* () {
      for (let piece = await next.promise; piece; piece = await next.promise) {
        next = Promise.withResolvers();
        yield piece;
      }
    })();
    const run = launch([fixture('reads-stdin')], conversation);
    for (const line of ['one\n', 'two\n', 'three\n']) {
      next.resolve(Buffer.from(line));
      await eventually(() => Buffer.concat(run.stdout).toString().endsWith(line));
    }
    next.resolve(null);
    expect(await run.ended).toEqual({ kind: 'exited', code: 0 });
    expect(Buffer.concat(run.stdout).toString()).toBe('one\ntwo\nthree\n');
  });

  it('is asked for no faster than it is read, and left when the run ends', async () => {
    const source = new Source(repeated(Buffer.alloc(MEBIBYTE)));
    const run = launch([fixture('slow-drip'), '5', '0.05'], source);
    await eventually(() => Buffer.concat(run.stdout).includes('drip 3'));
    expect(source.given).toBe(1);
    expect(await run.ended).toEqual({ kind: 'exited', code: 0 });
    await eventually(() => source.isLeft);
  });

  it('is left by a program that closes it and goes on', async () => {
    const source = new Source(repeated(Buffer.alloc(MEBIBYTE), 20));
    const run = launch(['/bin/sh', '-c', 'exec 0<&-; sleep 0.2; echo done'], source);
    expect(await run.ended).toEqual({ kind: 'exited', code: 0 });
    expect(Buffer.concat(run.stdout).toString()).toBe('done\n');
    await eventually(() => source.isLeft);
  });

  it('ends the run by KILL when its source fails', async () => {
    const failing = (async function* () {
      yield Buffer.from('half of it');
      await Promise.reject(new Error('The other half is lost.'));
    })();
    const run = launch([fixture('reads-stdin')], failing);
    expect(await run.ended).toEqual({ kind: 'exited', code: 137, signal: 'SIGKILL' });
  });

  it('is not asked for when nothing can be started', async () => {
    const source = new Source(repeated(Buffer.alloc(10)));
    expect(await launch(['/nowhere/at/all'], source).ended).toMatchObject({ kind: 'failed_to_start' });
    expect(source.given).toBe(0);
  });
});
