import { z } from 'zod';
import { parseDuration } from '../config/units.js';
import { allowDash, commonKeys, emptyRange, expected, type ParamType, type ParamUse } from './param-type.js';

const integerDeclaration = z.strictObject({
  type: z.literal('integer'),
  ...commonKeys(z.int()),
  min: z.int().optional(),
  max: z.int().optional(),
  allowDash,
});

const numberDeclaration = z.strictObject({
  type: z.literal('number'),
  ...commonKeys(z.number()),
  min: z.number().optional(),
  max: z.number().optional(),
  allowDash,
});

const durationText = z.string().refine((text) => parseDuration(text) !== undefined, { error: 'expected a duration such as 30s' });
const durationDeclaration = z.strictObject({
  type: z.literal('duration'),
  ...commonKeys(durationText),
  min: durationText.optional(),
  max: durationText.optional(),
  unit: z.enum(['ms', 's']).default('s').meta({ description: 'Unit of the bare number that the program gets' }),
});

type Bounds = { readonly min?: number | undefined; readonly max?: number | undefined };

/** The bounds in force: a negative number begins with a dash. */
function boundsOf({ min, max }: Bounds, use: ParamUse): Bounds {
  return { min: use.refuseDash ? Math.max(min ?? 0, 0) : min, max };
}

function inWords(kind: string, { min, max }: Bounds): string {
  if (min !== undefined && max !== undefined) return `${kind} from ${min} to ${max}`;
  if (min !== undefined) return `${kind} of at least ${min}`;
  return max === undefined ? kind : `${kind} of at most ${max}`;
}

function bounded<Schema extends z.ZodNumber>(
  schema: Schema,
  { min, max }: Bounds,
  message: ReturnType<typeof expected>,
): z.ZodType<number> {
  const above = min === undefined ? schema : schema.min(min, message);
  return max === undefined ? above : above.max(max, message);
}

function numberMistakes(declaration: Bounds, use: ParamUse): readonly (readonly [string, string])[] {
  const { min, max } = declaration;
  if (use.refuseDash && min !== undefined && min < 0) return [['min', 'lets negative numbers into argv: set allowDash: true']];
  if (use.refuseDash && max !== undefined && max < 0) return [['max', 'lets only negative numbers into argv: set allowDash: true']];
  return emptyRange(min, max, 'min');
}

export const integerParam: ParamType<z.output<typeof integerDeclaration>> = {
  declaration: integerDeclaration,
  mayStandInArgv: true,
  mistakes: numberMistakes,
  value(declaration, use) {
    const bounds = boundsOf(declaration, use);
    const message = expected(inWords('a whole number', bounds));
    return bounded(z.int(message), bounds, message);
  },
  render: String,
  fromText: (text) => (/^[+-]?\d{1,15}$/.test(text) ? Number(text) : undefined),
  example: ({ min, max }) => min ?? Math.min(1, max ?? 1),
};

export const numberParam: ParamType<z.output<typeof numberDeclaration>> = {
  declaration: numberDeclaration,
  mayStandInArgv: true,
  mistakes: numberMistakes,
  value(declaration, use) {
    const bounds = boundsOf(declaration, use);
    const message = expected(inWords('a number', bounds));
    return bounded(z.number(message), bounds, message);
  },
  render: String,
  fromText: (text) => (/^[+-]?\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : undefined),
  example: ({ min, max }) => min ?? Math.min(1, max ?? 1),
};

export const durationParam: ParamType<z.output<typeof durationDeclaration>> = {
  declaration: durationDeclaration,
  mayStandInArgv: true,
  mistakes: ({ min, max }) => emptyRange(milliseconds(min), milliseconds(max), 'min'),
  value({ min, max }) {
    const message = expected(inWords('a duration such as 30s,', { min: undefined, max: undefined }) + range(min, max));
    const [least, most] = [milliseconds(min) ?? 0, milliseconds(max) ?? Number.MAX_SAFE_INTEGER];
    return z
      .string(message)
      .refine((text) => isBetween(parseDuration(text), least, most), message)
      .meta({ examples: ['30s', '5min'] });
  },
  render: (value, { unit }) => String((milliseconds(value as string) ?? 0) / (unit === 's' ? 1_000 : 1)),
  fromText: (text) => (parseDuration(text) === undefined ? undefined : text),
  example: ({ min, max }) => min ?? max ?? '30s',
};

function range(min: string | undefined, max: string | undefined): string {
  return ` from ${min ?? '0s'}${max === undefined ? '' : ` to ${max}`}`;
}

function isBetween(value: number | undefined, least: number, most: number): boolean {
  return value !== undefined && value >= least && value <= most;
}

function milliseconds(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text);
}
