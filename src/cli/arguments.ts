import { CliFailure, EXIT_REFUSED } from './cli-failure.js';

type JsonSchema = { readonly properties?: Readonly<Record<string, { readonly type?: string }>> };

/**
 * `name=value` and `name:=json` words as an arguments object. A plain value becomes a number or boolean where the command
 * declares one and the text is one; whether it fits is for the command's own check to say.
 */
export function parseArguments(words: readonly string[], schema: JsonSchema): Record<string, unknown> {
  return Object.fromEntries(words.map((word) => parseWord(word, schema)));
}

/**
 * `command.param=value` and `command.param:=json` words as pinned arguments. The name of a param has no dot, so the last one ends the
 * name of the command.
 */
export function parsePins(words: readonly string[]): Record<string, Record<string, unknown>> {
  const pins = new Map<string, [string, unknown][]>();
  for (const word of words) {
    const [path, value] = parseWord(word, {});
    const end = path.lastIndexOf('.');
    if (end < 1) throw new CliFailure(`"${word.slice(0, 40)}" is neither command.param=value nor command.param:=json.`, EXIT_REFUSED);
    const command = path.slice(0, end);
    pins.set(command, [...(pins.get(command) ?? []), [path.slice(end + 1), value]]);
  }
  return Object.fromEntries([...pins].map(([command, params]) => [command, Object.fromEntries(params)]));
}

/** Whether the word is `name=value`: what its value means depends on the declared type. */
export function isPlainWord(word: string): boolean {
  return /^[^=:]+=/.test(word);
}

function parseWord(word: string, schema: JsonSchema): [string, unknown] {
  const match = /^([^=:]+)(:?=)(.*)$/s.exec(word);
  const [, name, operator, text] = match ?? [];
  if (name === undefined || text === undefined)
    throw new CliFailure(`"${word.slice(0, 40)}" is neither name=value nor name:=json.`, EXIT_REFUSED);
  if (operator === ':=') return [name, parseJson(name, text)];
  const type = Object.hasOwn(schema.properties ?? {}, name) ? schema.properties?.[name]?.type : undefined;
  const isPlainScalar =
    type === 'integer' || type === 'number' ? /^-?(0|[1-9]\d*)(\.\d+)?$/.test(text) : type === 'boolean' && /^(true|false)$/.test(text);
  return [name, isPlainScalar ? JSON.parse(text) : text];
}

function parseJson(name: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CliFailure(`The value of ${name}:= is not JSON.`, EXIT_REFUSED);
  }
}
