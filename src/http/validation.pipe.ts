import { StandardSchemaValidationPipe } from '@nestjs/common';
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

/** Holds every `@Body`, `@Query` and `@Param` against its schema; mistakes become one `invalid_request` that lists them all. */
export function validationPipe(): StandardSchemaValidationPipe {
  return new StandardSchemaValidationPipe({
    exceptionFactory: (issues) =>
      new GatewayError('invalid_request', 'The request does not match its schema.', {
        errors: issues.flatMap(fieldErrors).slice(0, MOST_ERRORS),
      }),
  });
}

function fieldErrors({ message, path = [], keys }: Issue): FieldError[] {
  const place = path.map((part) => String(typeof part === 'object' ? part.key : part));
  if (!keys) return [{ path: place.join('.'), message: message.endsWith('received undefined') ? 'required' : message }];
  return keys.map((key) => ({ path: [...place, PLAIN_NAME.test(key) ? key : '?'].join('.'), message: 'is not a field of this request' }));
}
