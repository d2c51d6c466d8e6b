import { z } from 'zod';

type JsonSchema = Readonly<Record<string, unknown>>;

/** Patterns are matched by backtracking, and models can be talked into any text; references would be resolved somewhere else. */
const REFUSED = ['pattern', 'patternProperties', '$ref', '$dynamicRef', '$id', '$schema'];

const FENCE = '```';

/** Why a schema cannot be used; undefined for one that can. */
export function schemaMistake(schema: JsonSchema): string | undefined {
  const refused = keywordsIn(schema).find((key) => REFUSED.includes(key));
  if (refused !== undefined) return `${refused} is not taken`;
  try {
    z.fromJSONSchema(schema);
    return undefined;
  } catch {
    return 'is no JSON Schema that can be checked: take type, properties, required, items, enum, const, anyOf, minimum, maxLength and the like';
  }
}

/** The value that an answer is, if it is one that fits. Models like to put a fence around their JSON. */
export function readAnswer(text: string, schema: JsonSchema): { readonly value: unknown } | undefined {
  try {
    const read = z.fromJSONSchema(schema).safeParse(JSON.parse(withoutFence(text.trim())));
    return read.success ? { value: read.data } : undefined;
  } catch {
    return undefined;
  }
}

function withoutFence(text: string): string {
  return text.startsWith(FENCE) && text.endsWith(FENCE) ? text.slice(text.indexOf('\n') + 1, -FENCE.length) : text;
}

/** Every keyword, and every name of a property that is one: there `{ type: string }` stands below it, and here it may be left out. */
function keywordsIn(schema: unknown): readonly string[] {
  if (Array.isArray(schema)) return schema.flatMap(keywordsIn);
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([key, value]) => {
    if (key === 'properties' && typeof value === 'object' && value !== null) return Object.values(value).flatMap(keywordsIn);
    return key === 'enum' || key === 'const' || key === 'default' || key === 'examples' ? [] : [key, ...keywordsIn(value)];
  });
}
