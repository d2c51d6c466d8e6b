import { GatewayError } from '../domain/errors.js';
import type { IdempotencyKey } from '../domain/idempotency.js';

const VISIBLE = /^[\x21-\x7e]{1,255}$/;
/** RFC 8941, 3.3.3: backslashes stand before quotes and backslashes only. */
const QUOTED = /^"((?:[^"\\]|\\["\\])*)"$/;

/**
 * The key in an `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header-07): a quoted string of RFC 8941, or the same
 * bare. Undefined when there is no header.
 * @throws GatewayError `invalid_request` for anything else
 */
export function parseIdempotencyKey(header: string | undefined): IdempotencyKey | undefined {
  if (header === undefined) return undefined;
  const key = header.startsWith('"') ? QUOTED.exec(header)?.[1]?.replace(/\\(.)/g, '$1') : header;
  if (key !== undefined && VISIBLE.test(key)) return key;
  throw new GatewayError('invalid_request', 'The header Idempotency-Key holds no key.', {
    errors: [{ path: 'Idempotency-Key', message: 'expected 1 to 255 visible ASCII characters, bare or in double quotes' }],
  });
}
