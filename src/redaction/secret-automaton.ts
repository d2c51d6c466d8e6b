/** The node of {@link SecretAutomaton} at which nothing has been matched. */
export const ROOT = 0;

/** How many characters of a form {@link SecretAutomaton.hints} asks for. */
const HINT_LENGTH = 4;

/**
 * Finds many words at once in one pass, whatever the text is like.
 * Source: Aho and Corasick, "Efficient string matching", CACM 18 (1975). Nodes are numbers; children are linked lists in flat
 * arrays, for the trie is long and thin.
 */
export class SecretAutomaton {
  /** Matches wherever a form may begin, even when a line is broken within its first characters, and at `«`. */
  readonly hints: RegExp;
  readonly #code: Uint16Array;
  readonly #firstChild: Int32Array;
  readonly #sibling: Int32Array;
  readonly #fail: Int32Array;
  readonly #depth: Int32Array;
  readonly #match: Int32Array;
  #size = 1;

  constructor(forms: readonly string[]) {
    const capacity = 1 + forms.reduce((sum, form) => sum + form.length, 0);
    this.#code = new Uint16Array(capacity);
    this.#firstChild = new Int32Array(capacity);
    this.#sibling = new Int32Array(capacity);
    this.#fail = new Int32Array(capacity);
    this.#depth = new Int32Array(capacity);
    this.#match = new Int32Array(capacity);
    for (const form of forms) this.#insert(form);
    this.#link();
    const prefixes = new Set(forms.map((form) => form.slice(0, HINT_LENGTH)));
    this.hints = new RegExp(['«', ...[...prefixes].map(hint)].join('|'), 'g');
  }

  /** The node after one more character: the longest end of the text that begins a form. */
  step(from: number, code: number): number {
    let node = from;
    for (;;) {
      const child = this.child(node, code);
      if (child !== ROOT || node === ROOT) return child;
      node = this.#fail[node] ?? ROOT;
    }
  }

  /** The child by that character, {@link ROOT} when there is none. */
  child(node: number, code: number): number {
    let child = this.#firstChild[node] ?? ROOT;
    while (child !== ROOT && this.#code[child] !== code) child = this.#sibling[child] ?? ROOT;
    return child;
  }

  /** How many characters have been matched at this node. */
  depth(node: number): number {
    return this.#depth[node] ?? 0;
  }

  /** Length of the longest form that ends at this node, 0 when none does. */
  matchLength(node: number): number {
    return this.#match[node] ?? 0;
  }

  #insert(form: string): void {
    let node = ROOT;
    for (let index = 0; index < form.length; index += 1) {
      const code = form.charCodeAt(index);
      node = this.child(node, code) || this.#add(node, code);
    }
    this.#match[node] = form.length;
  }

  #add(parent: number, code: number): number {
    const node = this.#size;
    this.#size += 1;
    this.#code[node] = code;
    this.#depth[node] = this.depth(parent) + 1;
    this.#sibling[node] = this.#firstChild[parent] ?? ROOT;
    this.#firstChild[parent] = node;
    return node;
  }

  /** Breadth first: a node's failure link, and with it the longest form that ends there, needs those of shorter texts. */
  #link(): void {
    const queue = new Int32Array(this.#size);
    for (let head = 0, length = 1; head < length; head += 1) {
      const node = queue[head] ?? ROOT;
      for (let child = this.#firstChild[node] ?? ROOT; child !== ROOT; child = this.#sibling[child] ?? ROOT) {
        const fail = node === ROOT ? ROOT : this.step(this.#fail[node] ?? ROOT, this.#code[child] ?? 0);
        this.#fail[child] = fail;
        this.#match[child] ||= this.#match[fail] ?? 0;
        queue[length] = child;
        length += 1;
      }
    }
  }
}

function hint(prefix: string): string {
  const units = Array.from({ length: prefix.length }, (_, index) => `\\u${prefix.charCodeAt(index).toString(16).padStart(4, '0')}`);
  return units.reduceRight((rest, unit) => `${unit}(?:\\r?\\n|${rest})`);
}
