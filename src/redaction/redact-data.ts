import { maskOf } from './masks.js';

const DEEPEST = 32;
const MOST_KNOWN = 1_000;
const LONGEST_KNOWN = 64;

/** What is known of a field's name: it stays and its value is judged by itself; or its value is secret, whatever it looks like. */
type NameKind = 'plain' | 'secret';
const SECRET_NAME =
  /(?:^|[_-]|[a-z](?=[A-Z]))(?:pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|authorization|cookie|private[_-]?key|credentials?)$/i;

/**
 * A copy of JSON data in which every string, object keys included, is redacted; strings under a name such as `password` or
 * `apiKey` are masked as they are. What JSON writes through `toJSON` (dates) is copied as JSON would write it. What lies deeper
 * than 32 levels becomes `«too deep»`, what contains itself `«circular»`. Keys that become equal get a number.
 */
export class DataRedactor {
  /** Names seen before that need no change. What is copied has few different ones. */
  readonly #names = new Map<string, NameKind>();

  constructor(private readonly redact: (text: string) => string) {}

  copy(data: unknown): unknown {
    return this.#copy(data, []);
  }

  /** @param ancestors what the value lies in, outermost first; as it was when this returns */
  #copy(value: unknown, ancestors: object[]): unknown {
    if (typeof value === 'string') return this.redact(value);
    if (typeof value !== 'object' || value === null) return value;
    if (ancestors.includes(value)) return '«circular»';
    if (ancestors.length === DEEPEST) return '«too deep»';
    ancestors.push(value);
    const copied = this.#copyContent(value, ancestors);
    ancestors.pop();
    return copied;
  }

  #copyContent(value: object, ancestors: object[]): unknown {
    if ('toJSON' in value && typeof value.toJSON === 'function') return this.#copy(value.toJSON(), ancestors);
    if (Array.isArray(value)) return value.map((item) => this.#copy(item, ancestors));
    return Object.keys(value).every((name) => this.#kindOf(name) !== undefined)
      ? this.#copyFields(value, ancestors)
      : this.#copyCarefully(value, ancestors);
  }

  /** Undefined for a name that must itself be changed. */
  #kindOf(name: string): NameKind | undefined {
    const known = this.#names.get(name);
    if (known) return known;
    if (name === '__proto__' || this.redact(name) !== name) return undefined;
    const kind = SECRET_NAME.test(name) ? 'secret' : 'plain';
    if (this.#names.size < MOST_KNOWN && name.length <= LONGEST_KNOWN) this.#names.set(name, kind);
    return kind;
  }

  #copyField(name: string, value: unknown, ancestors: object[]): unknown {
    if (typeof value !== 'string' || value === '' || this.#kindOf(name) !== 'secret') return this.#copy(value, ancestors);
    return value.startsWith('«') && value.endsWith('»') ? value : maskOf('credential');
  }

  #copyFields(value: object, ancestors: object[]): object {
    const fields: Record<string, unknown> = {};
    for (const name of Object.keys(value))
      fields[name] = this.#copyField(name, (value as Readonly<Record<string, unknown>>)[name], ancestors);
    return fields;
  }

  /** Through a Map: it knows no special keys, and `Object.fromEntries` makes `__proto__` a plain one. */
  #copyCarefully(value: object, ancestors: object[]): object {
    const entries = new Map<string, unknown>();
    const numbers = new Map<string, number>();
    for (const [key, item] of Object.entries(value)) {
      const name = this.redact(key);
      let free = name;
      while (entries.has(free)) {
        const number = (numbers.get(name) ?? 1) + 1;
        numbers.set(name, number);
        free = `${name} ${number}`;
      }
      entries.set(free, this.#copyField(key, item, ancestors));
    }
    return Object.fromEntries(entries);
  }
}
