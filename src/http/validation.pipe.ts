import type { ParameterDecoratorOptions } from '@nestjs/common';
import type { ZodType } from 'zod';
import { GatewayError, type FieldError } from '../domain/errors.js';

type Issue = {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
  /** Zod's own, where the schema is strict and the request says more than it knows. */
  readonly keys?: readonly string[];
};

/** A field whose name is shown: others may be anything, also a value in the wrong place. */
const PLAIN_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,40}$/;
const MOST_ERRORS = 20;

/**
 * For `@Body`, `@Query` and `@Param`: the schema that describes them, and the pipe that holds them against it. Mistakes become one
 * `invalid_request` that lists them all. Not a global pipe, for Nest takes every parameter of a route through those, the caller and
 * the context too. A schema without its pipe would check nothing, so nobody writes one into a decorator but this function.
 */
export function checked(schema: ZodType): ParameterDecoratorOptions {
  return { schema, pipes: [{ transform: (value: unknown) => check(schema, value) }] };
}

function check(schema: ZodType, value: unknown): unknown {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  throw new GatewayError('invalid_request', 'The request does not match its schema.', {
    errors: (error.issues as readonly Issue[]).flatMap(fieldErrors).slice(0, MOST_ERRORS),
  });
}

function fieldErrors({ message, path = [], keys }: Issue): FieldError[] {
  const place = path.map((part) => String(typeof part === 'object' ? part.key : part));
  if (!keys) return [{ path: place.join('.'), message: message.endsWith('received undefined') ? 'required' : message }];
  return keys.map((key) => ({ path: [...place, PLAIN_NAME.test(key) ? key : '?'].join('.'), message: 'is not a field of this request' }));
}
