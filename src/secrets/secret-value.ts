import { z } from 'zod';
import { GatewayError } from '../domain/errors.js';
import type { SecretName } from '../domain/secret.js';

/** Shorter values would take ordinary words of an output with them, or be guessed from what is left of it. */
export const SHORTEST_VALUE = 8;
/** The redactor takes 16 KiB for one run, and a value of several lines counts twice. */
export const LONGEST_VALUE = 7_168;

export const secretNameSchema = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]{0,63}$/, { error: 'expected a name such as GITHUB_TOKEN: capitals, digits and _, at most 64 characters' })
  .meta({ examples: ['GITHUB_TOKEN'] });

const tooShort = `expected at least ${SHORTEST_VALUE} characters that are no spaces: a shorter value cannot be kept out of output`;
const tooLong = `expected at most ${LONGEST_VALUE} bytes: a longer value cannot be kept out of output`;

/** Messages never repeat the value. */
export const secretValueSchema = z
  .string({ error: (issue) => (issue.input === undefined ? 'required' : 'expected text') })
  .refine((value) => value.isWellFormed() && !value.includes('\0'), { error: 'expected well-formed text without NUL', abort: true })
  .refine((value) => value.replace(/\s/g, '').length >= SHORTEST_VALUE, { error: tooShort })
  .refine((value) => Buffer.byteLength(value) <= LONGEST_VALUE, { error: tooLong })
  .meta({ format: 'password', writeOnly: true, minLength: SHORTEST_VALUE });

/**
 * What must not come out of a command that gets this value: the value, and each of its lines, which programs may print alone.
 * The edges of a PEM block are no secret; masked, they would hide other keys from their recogniser.
 */
export function textsToMask(value: string): readonly string[] {
  const lines = value.split(/\r\n|\r|\n/).map((line) => line.trim());
  if (lines.length === 1) return [value];
  return [value, ...lines.filter((line) => line.length >= SHORTEST_VALUE && !line.startsWith('-----'))];
}

/** @throws GatewayError `invalid_request` when it is no name of a secret */
export function nameOf(text: string): SecretName {
  return accept(secretNameSchema, text, 'name');
}

/** @throws GatewayError `invalid_request` when it cannot be kept out of output */
export function valueOf(text: string): string {
  return accept(secretValueSchema, text, 'value');
}

function accept(schema: z.ZodType<string>, text: string, path: string): string {
  const { success, data, error } = schema.safeParse(text);
  if (success) return data;
  throw new GatewayError('invalid_request', `This is no ${path} of a secret.`, {
    errors: error.issues.map(({ message }) => ({ path, message })),
  });
}
