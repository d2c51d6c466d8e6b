import { afterAll, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { OwnProcess } from './own-process.js';
import { PosixSpawner } from './posix-spawn.js';

const CLOSE_ON_EXEC = 0o2000000;

describe('the descriptors that are watched', () => {
  const self = new OwnProcess();
  const { libc } = self;
  const spawner = new PosixSpawner(self);
  afterAll(() => spawner.polling.close());

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
