import { HINTS } from './detectors.js';
import { createRedactor } from './redactor.js';

/** Masks secrets and personal data in a whole text; `count` says how many masks were put in. */
export function redactText(text: string, secrets: readonly string[] = []): { readonly text: string; readonly count: number } {
  if (secrets.length === 0 && text.search(HINTS) === -1) return { text, count: 0 };
  let count = 0;
  const redactor = createRedactor({ secrets, onRedaction: () => (count += 1) });
  return { text: redactor.push(text) + redactor.end(), count };
}

const DEEPEST = 32;

/**
 * A copy of JSON data in which every string, object keys included, is redacted. What JSON writes through `toJSON` (dates) is
 * copied as JSON would write it. What lies deeper than 32 levels becomes `«too deep»`, what contains itself `«circular»`.
 * Keys that become equal get a number.
 */
export function redactData(data: unknown): unknown {
  return copy(data, []);
}

function copy(value: unknown, ancestors: readonly object[]): unknown {
  if (typeof value === 'string') return redactText(value).text;
  if (typeof value !== 'object' || value === null) return value;
  if (ancestors.includes(value)) return '«circular»';
  if (ancestors.length === DEEPEST) return '«too deep»';
  const path = [...ancestors, value];
  if ('toJSON' in value && typeof value.toJSON === 'function') return copy(value.toJSON(), path);
  if (Array.isArray(value)) return value.map((item) => copy(item, path));
  return copyObject(value, path);
}

/** Through a Map: it knows no special keys, and `Object.fromEntries` makes `__proto__` a plain one. */
function copyObject(value: object, path: readonly object[]): object {
  const entries = new Map<string, unknown>();
  const numbers = new Map<string, number>();
  for (const [key, item] of Object.entries(value)) {
    const name = redactText(key).text;
    let free = name;
    while (entries.has(free)) {
      const number = (numbers.get(name) ?? 1) + 1;
      numbers.set(name, number);
      free = `${name} ${number}`;
    }
    entries.set(free, copy(item, path));
  }
  return Object.fromEntries(entries);
}
