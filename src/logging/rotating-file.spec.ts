import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../test/kit/manual-clock.js';
import { SmallDisk, withSmallDisk } from '../../test/kit/small-disk.js';
import { DailyFiles, type Kept } from './daily-files.js';
import { MOST_WAITING } from './log-outlet.js';
import { RotatingFile } from './rotating-file.js';

const DAY_MS = 86_400_000;
const CURRENT = 'api_requests.log';

let root: string;
let folder: string;
let clock: ManualClock;
let told: (string | undefined)[];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sallyport-logs-'));
  folder = join(root, 'logs');
  clock = new ManualClock('2026-02-20T12:00:00.000Z');
  told = [];
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const open = (kept: Kept = { days: 30, bytes: 2 ** 30 }) =>
  new RotatingFile(new DailyFiles(folder), {
    clock,
    kept: () => kept,
    onTrouble: (failure) => told.push(failure),
    onPruneFailed: (error) => {
      throw error;
    },
  });

const lineOf = (number: number, more = '') => `{"level":"info","time":"${clock.now()}","number":${number}${more}}\n`;

/** A line of now, and until it is written. */
async function log(file: RotatingFile, number: number, more?: string): Promise<void> {
  file.day = clock.now().slice(0, 10);
  file.write(lineOf(number, more));
  await file.look();
}

const names = () => readdirSync(folder).toSorted();
const read = (name: string) => readFileSync(join(folder, name), 'utf8');
const numbersIn = (name: string) =>
  read(name)
    .split('\n')
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { number: number }).number);
const daysIn = (name: string) => [...new Set([...read(name).matchAll(/"time":"([^T]+)T/g)].map(([, day]) => day))];

describe('a log in daily files', () => {
  it.each(['one process', 'a process each day'])('of 40 days keeps 30, each with its own lines: %s', async (life) => {
    let file = open();
    for (let day = 0; day < 40; day += 1) {
      await log(file, day * 2);
      await log(file, day * 2 + 1);
      clock.advance(DAY_MS);
      if (life !== 'one process') {
        await file.close();
        file = open();
      }
    }
    clock.advance(-DAY_MS);
    await file.close();
    const days = Array.from({ length: 30 }, (_, index) => new Date(Date.parse('2026-03-02') + index * DAY_MS).toISOString().slice(0, 10));
    expect(days.at(-1)).toBe('2026-03-31');
    expect(names()).toEqual([...days.slice(0, -1).map((day) => `api_requests-${day}.log`), CURRENT].toSorted());
    for (const [index, day] of days.entries()) {
      const name = day === '2026-03-31' ? CURRENT : `api_requests-${day}.log`;
      expect([name, daysIn(name), numbersIn(name)]).toEqual([name, [day], [(index + 10) * 2, (index + 10) * 2 + 1]]);
    }
    expect(told).toEqual([]);
  });

  it('puts a day away when it is over, also when nobody asks any more, and makes no files of days without lines', async () => {
    const file = open();
    await log(file, 1);
    for (let day = 0; day < 3; day += 1) {
      clock.advance(DAY_MS);
      await file.look();
    }
    expect(names()).toEqual(['api_requests-2026-02-20.log', CURRENT]);
    clock.advance(40 * DAY_MS);
    await log(file, 2);
    clock.advance(DAY_MS);
    await file.look();
    expect(names()).toEqual(['api_requests-2026-04-04.log', CURRENT]);
    await file.close();
  });

  it('overwrites nothing when the clock goes back and forth over midnight', async () => {
    const file = open();
    for (let turn = 0; turn < 6; turn += 1) {
      await log(file, turn);
      clock.advance(turn % 2 === 0 ? DAY_MS : -DAY_MS);
    }
    await file.close();
    expect(names().flatMap(numbersIn).toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
    for (const name of names()) expect(daysIn(name)).toHaveLength(1);
  });

  it('is cut in pieces, and loses the oldest when all of them are more than is kept', async () => {
    const file = open({ days: 30, bytes: 2 ** 20 });
    const long = `,"text":"${'x'.repeat(20_000)}"`;
    for (let number = 0; number < 100; number += 1) await log(file, number, long);
    await file.close();
    const kept = names().flatMap((name) => numbersIn(name));
    expect(names().reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)).toBeLessThanOrEqual(2 ** 20 + 2 ** 16);
    expect(kept.length).toBeGreaterThan(40);
    expect(kept.toSorted((one, other) => one - other)).toEqual(
      Array.from({ length: kept.length }, (_, index) => 100 - kept.length + index),
    );
  });

  it('leaves other files of its folder alone', async () => {
    const file = open({ days: 1, bytes: 2 ** 20 });
    await log(file, 1);
    const others = ['api_requests-2020-01-01.log.gz', 'api_requests.log.1', 'notes-2020-01-01.log', 'api_requests-2020-01-01.x.log'];
    for (const name of others) writeFileSync(join(folder, name), 'not ours');
    clock.advance(DAY_MS);
    await log(file, 2);
    await file.close();
    expect(names()).toEqual([...others, CURRENT].toSorted());
  });

  it('cuts off the half line that a killed gateway left', async () => {
    const first = open();
    await log(first, 1);
    await first.close();
    appendFileSync(join(folder, CURRENT), '{"level":"info","time":"2026-0');
    const second = open();
    await log(second, 2);
    await second.close();
    expect(numbersIn(CURRENT)).toEqual([1, 2]);
  });

  it('goes on where its folder was removed, or its file moved away by others', async () => {
    const file = open();
    await log(file, 1);
    rmSync(folder, { recursive: true });
    await file.look();
    await log(file, 2);
    expect(numbersIn(CURRENT)).toEqual([2]);
    rmSync(join(folder, CURRENT));
    await file.look();
    await log(file, 3);
    expect(numbersIn(CURRENT)).toEqual([3]);
    await file.close();
  });

  it('says why it cannot be written, keeps what comes, and counts what it cannot keep', async () => {
    writeFileSync(folder, 'a file in the place of the folder');
    const file = open();
    await log(file, 1);
    expect(file.failure).toBe('file already exists');
    const block = `${lineOf(2)}${lineOf(3)}`;
    const fill = Math.ceil(MOST_WAITING / block.length);
    for (let count = 0; count < fill + 10; count += 1) file.write(block);
    expect(file.linesLost).toBeGreaterThanOrEqual(20);
    rmSync(folder);
    await file.look();
    expect(told).toEqual(['file already exists', undefined]);
    expect(numbersIn(CURRENT)).toHaveLength(1 + 2 * (fill + 10) - file.linesLost);
    await file.close();
  });

  it('writes at the end of the process what waits', async () => {
    const file = open();
    await log(file, 1);
    file.write(lineOf(2));
    file.write(lineOf(3));
    file.flushSync();
    expect(numbersIn(CURRENT).toSorted()).toEqual([1, 2, 3]);
    await file.close();
    expect(numbersIn(CURRENT).toSorted()).toEqual([1, 2, 3]);
  });

  withSmallDisk('leaves whole lines on a disk that is full, and writes the rest when there is room', async () => {
    const disk = new SmallDisk(folder, 'size=256k');
    try {
      const file = open();
      await log(file, 0);
      const long = `,"text":"${'x'.repeat(3_000)}"`;
      for (let number = 1; number <= 200; number += 1) await log(file, number, long);
      expect(file.failure).toBe('no space left on device');
      const before = numbersIn(CURRENT);
      expect(before.length).toBeGreaterThan(10);
      const written = read(CURRENT);
      disk.unmount();
      await file.look();
      await file.look();
      expect(numbersIn(CURRENT)).toEqual(Array.from({ length: 201 - before.length }, (_, index) => index + before.length));
      expect([written.endsWith('\n'), file.linesLost, told]).toEqual([true, 0, ['no space left on device', undefined]]);
      await file.close();
    } finally {
      disk.unmount();
    }
  });
});
