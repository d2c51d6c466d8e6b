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

/** @param ancestors what the value lies in, outermost first; as it was when this returns */
function copy(value: unknown, ancestors: object[]): unknown {
  if (typeof value === 'string') return redactText(value).text;
  if (typeof value !== 'object' || value === null) return value;
  if (ancestors.includes(value)) return '«circular»';
  if (ancestors.length === DEEPEST) return '«too deep»';
  ancestors.push(value);
  const copied = copyContent(value, ancestors);
  ancestors.pop();
  return copied;
}

function copyContent(value: object, ancestors: object[]): unknown {
  if ('toJSON' in value && typeof value.toJSON === 'function') return copy(value.toJSON(), ancestors);
  if (Array.isArray(value)) return value.map((item) => copy(item, ancestors));
  return Object.keys(value).every(isHarmless) ? copyFields(value, ancestors) : copyCarefully(value, ancestors);
}

/** Names seen before that need no change. What is copied has few different ones. */
const harmless = new Set<string>();
const MOST_HARMLESS = 1_000;
const LONGEST_HARMLESS = 64;

function isHarmless(name: string): boolean {
  if (harmless.has(name)) return true;
  if (name === '__proto__' || redactText(name).count > 0) return false;
  if (harmless.size < MOST_HARMLESS && name.length <= LONGEST_HARMLESS) harmless.add(name);
  return true;
}

function copyFields(value: object, ancestors: object[]): object {
  const fields: Record<string, unknown> = {};
  for (const name of Object.keys(value)) fields[name] = copy((value as Readonly<Record<string, unknown>>)[name], ancestors);
  return fields;
}

/** Through a Map: it knows no special keys, and `Object.fromEntries` makes `__proto__` a plain one. */
function copyCarefully(value: object, ancestors: object[]): object {
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
    entries.set(free, copy(item, ancestors));
  }
  return Object.fromEntries(entries);
}
