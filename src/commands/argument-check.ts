import { createHmac } from 'node:crypto';
import { relative } from 'node:path';
import { z } from 'zod';
import { GatewayError, type FieldError } from '../domain/errors.js';
import type { CheckedArguments } from '../domain/command.js';
import type { CommandDeclaration } from './catalogue-schema.js';
import { useOf } from './declaration-rules.js';
import { defaultOf, typeOf, type ParamDeclaration } from './param-types.js';
import { SECRET_MASK } from './text-params.js';

const MOST_ERRORS = 50;

/** Arguments that fit their declaration. */
export interface ValidArguments {
  /** With the secrets in clear: for the child alone. */
  readonly values: CheckedArguments;
  /** With `«secret»` in their place, and paths relative to their root. */
  readonly shown: CheckedArguments;
  /** With a keyed digest in their place: for naming the arguments. */
  readonly named: CheckedArguments;
  readonly secrets: readonly string[];
}

/** The one check of a command's arguments, made from its declaration. `roots`: real folders of its `path` params, by name. */
export class ArgumentCheck {
  readonly jsonSchema: Readonly<Record<string, unknown>>;
  private readonly names: ReadonlySet<string>;
  private readonly secretNames: readonly string[];
  private readonly paths: readonly (readonly [name: string, root: string])[];
  private readonly schema: z.ZodType<Record<string, unknown>>;

  constructor(
    declaration: CommandDeclaration,
    roots: ReadonlyMap<string, string>,
    private readonly secretKey: Buffer,
  ) {
    const params = Object.entries(declaration.params);
    this.names = new Set(params.map(([name]) => name));
    this.secretNames = params.filter(([, { type }]) => type === 'secret').map(([name]) => name);
    this.paths = params.filter(([, { type }]) => type === 'path').map(([name]) => [name, roots.get(name) ?? '/']);
    const schema = z.strictObject(
      Object.fromEntries(
        params.map(([name, param]) => [name, schemaOf(param, typeOf(param).value(param, useOf(name, declaration, roots.get(name))))]),
      ),
    );
    this.schema = schema;
    const { $schema: _, ...jsonSchema } = z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input' });
    this.jsonSchema = jsonSchema;
  }

  /** @throws GatewayError `invalid_arguments` with one entry per mistake, paths as in a request: `args.count` */
  async check(raw: unknown): Promise<ValidArguments> {
    const given = raw === undefined ? {} : raw;
    if (!isPlainObject(given)) throw invalidArguments([{ path: '', message: 'expected an object' }]);
    const undeclared = Object.keys(given).filter((name) => !this.names.has(name));
    if (undeclared.length > 0) throw invalidArguments(undeclared.slice(0, MOST_ERRORS).map(undeclaredArgument));
    const result = this.paths.length > 0 ? await this.schema.safeParseAsync(given) : this.schema.safeParse(given);
    if (!result.success)
      throw invalidArguments(result.error.issues.slice(0, MOST_ERRORS).map(({ path, message }) => ({ path: path.join('.'), message })));
    return this.separate(result.data);
  }

  /** Parts what the child gets from what people may see: no secrets, and paths as they lie under their root. */
  private separate(values: CheckedArguments): ValidArguments {
    const given = this.secretNames.filter((name) => values[name] !== undefined);
    if (given.length === 0 && this.paths.length === 0) return { values, shown: values, named: values, secrets: [] };
    const digest = (name: string) => createHmac('sha256', this.secretKey).update(String(values[name])).digest('hex');
    return {
      values,
      shown: { ...values, ...this.relativePaths(values), ...Object.fromEntries(given.map((name) => [name, SECRET_MASK])) },
      named: { ...values, ...Object.fromEntries(given.map((name) => [name, digest(name)])) },
      secrets: given.map((name) => String(values[name])),
    };
  }

  private relativePaths(values: CheckedArguments): CheckedArguments {
    const given = this.paths.filter(([name]) => values[name] !== undefined);
    return Object.fromEntries(given.map(([name, root]) => [name, relative(root, String(values[name])) || '.']));
  }
}

/** A refusal of arguments; its text says how many mistakes there are, its entries which. @param errors paths relative to the arguments */
export function invalidArguments(errors: readonly FieldError[]): GatewayError {
  return new GatewayError(
    'invalid_arguments',
    errors.length === 1 ? 'One argument is not as declared.' : `${errors.length} arguments are not as declared.`,
    { errors: errors.map(({ path, message }) => ({ path: path === '' ? 'args' : `args.${path}`, message })) },
  );
}

function schemaOf(param: ParamDeclaration, value: z.ZodType): z.ZodType {
  const described = param.description === undefined ? value : value.meta({ ...value.meta(), description: param.description });
  const fallback = defaultOf(param);
  if (fallback !== undefined) return described.prefault(fallback);
  return param.optional ? described.optional() : described;
}

/** The name is shown only if it looks like one: it may be anything, also a value in the wrong place. */
function undeclaredArgument(name: string): FieldError {
  return { path: /^[A-Za-z_][A-Za-z0-9_-]{0,40}$/.test(name) ? name : '?', message: 'is not a param of this command' };
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
