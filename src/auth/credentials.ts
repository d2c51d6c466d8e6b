/** What a request offers to prove who asks. */
export type Credentials =
  { readonly kind: 'none' } | { readonly kind: 'key'; readonly text: string } | { readonly kind: 'ambiguous' | 'unreadable' };

const BEARER = /^Bearer +/i;

/**
 * Finds the key in `X-API-Key` or `Authorization: Bearer`. More than one of these, or one of them twice, is ambiguous: two readers of the
 * same request must never see two callers.
 *
 * @param rawHeaders names and values in turn, as `IncomingMessage.rawHeaders` has them: its `headers` hides a second `Authorization`
 */
export function readCredentials(rawHeaders: readonly string[]): Credentials {
  const keys = valuesOf(rawHeaders, 'x-api-key');
  const authorizations = valuesOf(rawHeaders, 'authorization');
  if (keys.length + authorizations.length > 1) return { kind: 'ambiguous' };
  const [key] = keys;
  if (key !== undefined) return { kind: 'key', text: key };
  const [authorization] = authorizations;
  if (authorization === undefined) return { kind: 'none' };
  const scheme = BEARER.exec(authorization);
  return scheme ? { kind: 'key', text: authorization.slice(scheme[0].length) } : { kind: 'unreadable' };
}

function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_value, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name);
}
