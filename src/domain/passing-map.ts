/** What an entry is held by: emptied when the entry goes. */
export interface Cell<Value> {
  value: Value | undefined;
}

/**
 * A map of what comes and goes, in order of arrival: entries leave nothing behind.
 *
 * A `Map` that many entries pass through is given a new table every few of them, and V8 links each old table to the next one. Once
 * one of these tables is among the old objects, all later ones are kept until the next full collection, with every entry they ever held:
 * the short-lived objects of each request become old ones, and collecting them costs more than all the rest of it. Here the
 * tables hold nothing but keys and emptied cells.
 */
export class PassingMap<Key extends string | number, Value extends object> {
  private readonly cells = new Map<Key, Cell<Value>>();

  get size(): number {
    return this.cells.size;
  }

  has(key: Key): boolean {
    return this.cells.has(key);
  }

  get(key: Key): Value | undefined {
    return this.cells.get(key)?.value;
  }

  set(key: Key, value: Value): void {
    const cell = this.cells.get(key);
    if (cell) cell.value = value;
    else this.cells.set(key, { value });
  }

  /** @returns whether there was one */
  delete(key: Key): boolean {
    const cell = this.cells.get(key);
    if (!cell) return false;
    cell.value = undefined;
    return this.cells.delete(key);
  }

  some(matches: (value: Value) => boolean): boolean {
    for (const { value } of this.cells.values()) if (value && matches(value)) return true;
    return false;
  }

  /** Entries may be added and deleted meanwhile, as with a `Map`. */
  *[Symbol.iterator](): Generator<[Key, Value]> {
    for (const [key, { value }] of this.cells) if (value) yield [key, value];
  }

  *values(): Generator<Value> {
    for (const [, value] of this) yield value;
  }
}
