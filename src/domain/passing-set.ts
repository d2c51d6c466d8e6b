import type { Cell } from './passing-map.js';

/** What comes and goes, in order of arrival, without a name: like `PassingMap`, and for the same reason. */
export class PassingSet<Value extends object> {
  private readonly cells = new Set<Cell<Value>>();

  get size(): number {
    return this.cells.size;
  }

  /** @returns lets the value go; does nothing when called again */
  add(value: Value): () => void {
    const cell: Cell<Value> = { value };
    this.cells.add(cell);
    return () => {
      cell.value = undefined;
      this.cells.delete(cell);
    };
  }

  /** Values may be added and let go meanwhile, as with a `Set`. */
  *[Symbol.iterator](): Generator<Value> {
    for (const { value } of this.cells) if (value) yield value;
  }
}
