import { describe, expect, it } from '@jest/globals';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { PassingMap } from './passing-map.js';
import { PassingSet } from './passing-set.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void;

describe('a map of what comes and goes', () => {
  it('finds what is there and forgets what is deleted', () => {
    const map = new PassingMap<string, { readonly name: string }>();
    const [one, two] = [{ name: 'one' }, { name: 'two' }];
    map.set('a', one);
    map.set('b', two);
    map.set('a', two);
    expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([two, two, undefined, 2]);
    expect([map.delete('a'), map.delete('a'), map.get('a'), map.size]).toEqual([true, false, undefined, 1]);
    expect([map.some(({ name }) => name === 'two'), map.some(({ name }) => name === 'one')]).toEqual([true, false]);
  });

  it('goes through its entries in order of arrival, while they come and go', () => {
    const map = new PassingMap<number, { readonly id: number }>();
    for (const id of [3, 1, 2]) map.set(id, { id });
    const seen: number[] = [];
    for (const [key, { id }] of map) {
      seen.push(id);
      map.delete(key);
      if (key === 3) map.delete(1);
      if (key === 2) map.set(4, { id: 4 });
    }
    expect(seen).toEqual([3, 2, 4]);
    expect([...map.values()]).toEqual([]);
  });

  it('needs no names for what is only let go', () => {
    const set = new PassingSet<{ readonly id: number }>();
    const goes = [1, 2, 3].map((id) => set.add({ id }));
    goes[1]?.();
    goes[1]?.();
    expect([set.size, ...set]).toEqual([2, { id: 1 }, { id: 3 }]);
  });

  /** Bytes that became old while entries of 8 KiB passed through, 64 at a time. */
  function agedBy(map: { set(id: number, value: object): unknown; delete(id: number): unknown }): number {
    const entries = 4_000;
    map.set(-1, {});
    // What is in it now is old from here on.
    collect();
    collect();
    const before = oldBytes();
    for (let id = 0; id < entries; id++) {
      map.set(
        id,
        Array.from({ length: 1024 }, () => id),
      );
      map.delete(id - 64);
      if (id % 500 === 0) collect({ type: 'minor' });
    }
    collect({ type: 'minor' });
    return oldBytes() - before;
  }

  function namedSet(values: PassingSet<object>) {
    const goes: (() => void)[] = [];
    return { set: (id: number, value: object) => void (goes[id + 1] = values.add(value)), delete: (id: number) => goes[id + 1]?.() };
  }

  function oldBytes(): number {
    return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')?.space_used_size ?? NaN;
  }

  it('lets go of what has passed without waiting for a full collection, as a Map does not', () => {
    expect(agedBy(new PassingMap<number, object>())).toBeLessThan(4 * 1024 ** 2);
    expect(agedBy(namedSet(new PassingSet()))).toBeLessThan(4 * 1024 ** 2);
    expect(agedBy(new Map())).toBeGreaterThan(16 * 1024 ** 2);
  });
});
