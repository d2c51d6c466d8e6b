const MAX_DEPTH = 32;

/**
 * Why a value is not JSON data we take, or undefined when it is. Walks without recursion, so that depth cannot overflow the stack.
 * `__proto__` as a key is refused: some program behind us will merge it.
 */
export function jsonRefusal(value: unknown): string | undefined {
  const waiting: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: 0 }];
  for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) {
    const { value: inner, depth } = item;
    if (typeof inner === 'object' && inner !== null) {
      if (depth >= MAX_DEPTH) return `nests deeper than ${MAX_DEPTH} levels`;
      if (Object.hasOwn(inner, '__proto__')) return 'has a key that is not allowed';
      for (const child of Object.values(inner)) waiting.push({ value: child, depth: depth + 1 });
    } else if (!isJsonScalar(inner)) return 'expected JSON data';
  }
  return undefined;
}

function isJsonScalar(value: unknown): boolean {
  return value === null || typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));
}

/** Text as JSON data; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
