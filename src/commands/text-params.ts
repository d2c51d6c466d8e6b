import { RE2JS } from 're2js';
import { z } from 'zod';
import {
  allowDash,
  commonKeys,
  emptyRange,
  expected,
  isLine,
  isText,
  refusingDash,
  via,
  withoutDefault,
  type ParamType,
} from './param-type.js';

const length = (most: number) => z.int().min(0).max(most);

const stringDeclaration = z.strictObject({
  type: z.literal('string'),
  ...commonKeys(z.string()),
  pattern: z
    .string()
    .max(1_000)
    .refine((pattern) => compilePattern(pattern) !== undefined, { error: 'expected a regular expression in RE2 syntax' })
    .optional()
    .meta({ description: 'RE2 syntax; must match the whole value' }),
  minLength: length(65_536).default(0),
  maxLength: length(65_536).default(1_024),
  allowDash,
  risk: z
    .string()
    .min(10)
    .max(500)
    .optional()
    .meta({ description: 'Why any text is safe here, for a program that could be told to run or write something else' }),
});

const enumDeclaration = z.strictObject({
  type: z.literal('enum'),
  ...commonKeys(z.string()),
  values: z
    .array(z.string().min(1).max(200).refine(isLine, { error: 'expected one line of text' }))
    .min(1)
    .max(200)
    .refine((values) => new Set(values).size === values.length, { error: 'names a value twice' }),
  allowDash,
});

const booleanDeclaration = z.strictObject({ type: z.literal('boolean'), ...commonKeys(z.boolean()) });

const textDeclaration = z.strictObject({
  type: z.literal('text'),
  ...commonKeys(z.string()),
  maxLength: length(1_048_576).default(65_536),
  via,
});

const secretDeclaration = z.strictObject({ type: z.literal('secret'), ...withoutDefault, maxLength: length(65_536).default(8_192), via });

/** What stands for a secret wherever arguments are shown or stored. */
export const SECRET_MASK = '«secret»';

function compilePattern(pattern: string): RE2JS | undefined {
  try {
    return RE2JS.compile(pattern);
  } catch {
    return undefined;
  }
}

/** The pattern for JSON Schema's readers, where it means the same there: anchored, and only if ECMA-262 can read it too. */
function patternHint(pattern: string | undefined): { pattern?: string } {
  if (pattern === undefined) return {};
  const anchored = `^(?:${pattern})$`;
  try {
    void new RegExp(anchored, 'u');
    return { pattern: anchored };
  } catch {
    return {};
  }
}

const asIs = (text: string): unknown => text;

export const stringParam: ParamType<z.output<typeof stringDeclaration>> = {
  declaration: stringDeclaration,
  mayStandInArgv: true,
  mistakes: ({ minLength, maxLength }) => emptyRange(minLength, maxLength, 'minLength'),
  value({ pattern, minLength, maxLength }, use) {
    const message = expected(`one line of text, ${minLength} to ${maxLength} characters`);
    const line = z
      .string(message)
      .min(minLength, message)
      .max(maxLength, message)
      .refine(isLine, { ...message, abort: true });
    const matcher = pattern === undefined ? undefined : compilePattern(pattern);
    const matching = matcher === undefined ? line : line.refine((text) => matcher.matches(text), { error: 'does not match the pattern' });
    return refusingDash(matching.meta(patternHint(pattern)), use);
  },
  render: String,
  fromText: asIs,
  example: ({ minLength, maxLength }) => 'text'.slice(0, maxLength).padEnd(minLength, 'x'),
};

export const enumParam: ParamType<z.output<typeof enumDeclaration>> = {
  declaration: enumDeclaration,
  mayStandInArgv: true,
  mistakes: ({ values }, use) =>
    use.refuseDash && values.some((value) => value.startsWith('-'))
      ? [['values', 'begin with "-" and stand in argv: set allowDash: true']]
      : [],
  value: ({ values }) => z.enum(values, expected(`one of ${values.join(', ')}`)),
  render: String,
  fromText: (text, { values }) => values.find((value) => value.toLowerCase() === text.toLowerCase()),
  example: ({ values }) => values[0],
};

export const booleanParam: ParamType<z.output<typeof booleanDeclaration>> = {
  declaration: booleanDeclaration,
  mayStandInArgv: true,
  mistakes: () => [],
  value: () => z.boolean(expected('true or false')),
  render: String,
  fromText: (text) => ({ true: true, yes: true, on: true, false: false, no: false, off: false })[text.toLowerCase()],
  example: () => true,
};

export const textParam: ParamType<z.output<typeof textDeclaration>> = {
  declaration: textDeclaration,
  mayStandInArgv: false,
  mistakes: () => [],
  value({ maxLength }) {
    const message = expected(`text without NUL, at most ${maxLength} characters`);
    return z.string(message).max(maxLength, message).refine(isText, message);
  },
  render: String,
  fromText: asIs,
  example: ({ maxLength }) => 'some text'.slice(0, maxLength),
};

export const secretParam: ParamType<z.output<typeof secretDeclaration>> = {
  declaration: secretDeclaration,
  mayStandInArgv: false,
  mistakes: () => [],
  value({ maxLength }) {
    const message = expected(`a secret without NUL, 1 to ${maxLength} characters`);
    return z
      .string(message)
      .min(1, message)
      .max(maxLength, message)
      .refine((text) => isText(text) && text !== SECRET_MASK, message)
      .meta({ format: 'password', writeOnly: true });
  },
  render: String,
  fromText: asIs,
  example: () => '…',
};
