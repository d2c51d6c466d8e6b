import { describe, expect, it } from '@jest/globals';
import { assert, constantFrom, integer, oneof, property, string } from 'fast-check';
import { parseDuration, parseRate, parseSize } from './units.js';

const DURATIONS = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;
const unitOf = <Unit extends string>(units: Readonly<Record<Unit, number>>) => constantFrom(...(Object.keys(units) as Unit[]));
/** Text that looks much like a quantity, and text that does not. */
const anyText = oneof(string(), string({ unit: constantFrom(...'0123456789.-+ eExX/msinhdBKMGi_,\n\0') }));

describe('durations', () => {
  it.each([
    ['200ms', 200],
    ['30s', 30_000],
    ['5min', 300_000],
    ['2h', 7_200_000],
    ['30d', 2_592_000_000],
    ['1.5s', 1_500],
    ['1.001s', 1_001],
    ['0.25h', 900_000],
    ['0s', 0],
  ])('reads %s', (text, milliseconds) => expect(parseDuration(text)).toBe(milliseconds));

  it.each([
    '',
    '30',
    's',
    '-1s',
    '+1s',
    ' 1s',
    '1s ',
    '1 s',
    '1S',
    '1m',
    '1e3s',
    '0x1s',
    '.5s',
    '1.s',
    '0.5ms',
    '1.0001s',
    '1s\n',
    '1,5s',
    'Infinitys',
    '999999999999d',
  ])('does not read %j', (text) => expect(parseDuration(text)).toBeUndefined());

  it('are whole milliseconds, exactly what was written', () => {
    assert(
      property(
        integer({ min: 0, max: 99_999 }),
        integer({ min: 0, max: 999 }),
        constantFrom('s', 'min', 'h', 'd'),
        (whole, thousandths, unit) => {
          const text = `${whole}.${String(thousandths).padStart(3, '0')}${unit}`;
          expect(parseDuration(text)).toBe(whole * DURATIONS[unit] + (thousandths * DURATIONS[unit]) / 1_000);
        },
      ),
    );
  });
});

describe('sizes', () => {
  it.each([
    ['512B', 512],
    ['64KiB', 65_536],
    ['1MiB', 1_048_576],
    ['5GiB', 5_368_709_120],
    ['1.5KiB', 1_536],
  ])('reads %s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each(['', '1', '1K', '1KB', '1kib', '1 MiB', '-1B', '0.5B', '1.001KiB', '1TiB', 'constructorB', '1constructor', '1toString'])(
    'does not read %j',
    (text) => expect(parseSize(text)).toBeUndefined(),
  );

  it('are what number and unit say', () => {
    assert(
      property(integer({ min: 0, max: 1_000_000 }), unitOf(SIZES), (count, unit) =>
        expect(parseSize(`${count}${unit}`)).toBe(count * SIZES[unit]),
      ),
    );
  });
});

describe('rates', () => {
  it('reads a count and a window', () => {
    expect(parseRate('100/min')).toEqual({ count: 100, windowMs: 60_000 });
    expect(parseRate('1/s')).toEqual({ count: 1, windowMs: 1_000 });
    expect(parseRate('999999999/d')).toEqual({ count: 999_999_999, windowMs: 86_400_000 });
  });

  it.each(['', '100', '/min', '0/min', '-1/min', '1.5/min', '01/min', '1/ms', '1 / min', '1/5min', '1000000000/s', '1/constructor'])(
    'does not read %j',
    (text) => expect(parseRate(text)).toBeUndefined(),
  );
});

describe('any text', () => {
  it('is a safe whole number of at least 0, or nothing', () => {
    assert(
      property(anyText, (text) => {
        for (const value of [parseDuration(text), parseSize(text), parseRate(text)?.count]) {
          expect(value === undefined || (Number.isSafeInteger(value) && value >= 0)).toBe(true);
        }
      }),
    );
  });
});
