import { z } from 'zod';

/** How a command uses a param, as far as its check depends on it. */
export interface ParamUse {
  /** Whether a value that begins with `-` is refused, because it would stand in argv and could be taken for an option. */
  readonly refuseDash: boolean;
  /** Absolute real folder of a `path`; null for every other type. */
  readonly root: string | null;
}

/**
 * One type of param: how it is declared, checked and rendered.
 * Checked values are plain JSON data, and checking a checked value again gives the same value.
 */
export interface ParamType<Declaration> {
  /** What the catalogue may say about a param of this type. */
  readonly declaration: z.ZodType<Declaration>;
  /** Whether a value may stand in argv, where every user of the host can read it. */
  readonly mayStandInArgv: boolean;
  /** Mistakes in a declaration that its shape alone does not show, as [key, message]. */
  mistakes(declaration: Declaration, use: ParamUse): readonly (readonly [string, string])[];
  /** The check of a value. Messages never repeat the value. */
  value(declaration: Declaration, use: ParamUse): z.ZodType;
  /** A checked value as text for argv, env, stdin or a file. */
  render(value: unknown, declaration: Declaration): string;
  /** A word typed by a person as a raw value; undefined when it cannot be one. */
  fromText(text: string, declaration: Declaration): unknown;
  example(declaration: Declaration): unknown;
}

const shared = {
  description: z.string().max(500).optional().meta({ description: 'What the param means' }),
  optional: z.boolean().default(false).meta({ description: 'May be left out; a param with neither `optional` nor `default` is required' }),
};

/** Keys that every type takes, with the `default` of its own kind. */
export function commonKeys<Default extends z.ZodType>(fallback: Default) {
  return { ...shared, default: fallback.optional().meta({ description: 'Value when the caller gives none' }) };
}

/** Keys of types whose values must come from the caller each time: no `default`. */
export const withoutDefault = shared;

export const allowDash = z.boolean().default(false).meta({ description: 'Accept values that begin with `-` in argv' });
export const via = z.literal('file').optional().meta({ description: 'Hand the value over in a private file; its path stands in `exec`' });

/** An error text: `required` when nothing was given, else what is expected. */
export function expected(expectation: string) {
  return { error: (issue: { readonly input?: unknown }) => (issue.input === undefined ? 'required' : `expected ${expectation}`) };
}

/** Refuses a leading dash, in the check and in the JSON Schema. */
export function refusingDash<Schema extends z.ZodType<string>>(schema: Schema, use: ParamUse): z.ZodType<string> {
  if (!use.refuseDash) return schema;
  return schema.refine((text) => !text.startsWith('-'), { error: 'must not begin with "-"' }).meta({ not: { pattern: '^-' } });
}

/** Mistake of a range that no value can be in. */
export function emptyRange(min: number | undefined, max: number | undefined, key: string): readonly (readonly [string, string])[] {
  return min !== undefined && max !== undefined && min > max ? [[key, 'is above the maximum: no value fits']] : [];
}

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/;

/** One line of well-formed text: no control character but tab. */
export function isLine(text: string): boolean {
  return text.isWellFormed() && !CONTROL.test(text);
}

/** Well-formed text of any number of lines, without NUL. */
export function isText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}
