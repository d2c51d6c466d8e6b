import { StandardSchemaValidationPipe } from '@nestjs/common';
import { GatewayError, type FieldError } from '../domain/errors.js';

type Issue = { readonly message: string; readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined };

/** Holds every `@Body`, `@Query` and `@Param` against its schema; mistakes become one `invalid_request` that lists them all. */
export function validationPipe(): StandardSchemaValidationPipe {
  return new StandardSchemaValidationPipe({
    exceptionFactory: (issues) =>
      new GatewayError('invalid_request', 'The request does not match its schema.', { errors: issues.map(fieldError) }),
  });
}

function fieldError({ message, path = [] }: Issue): FieldError {
  return { path: path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.'), message };
}
