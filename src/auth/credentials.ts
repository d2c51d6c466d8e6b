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
  let found: Credentials = NONE;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const offered = credentialsIn(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '');
    if (offered) found = found === NONE ? offered : AMBIGUOUS;
  }
  return found;
}

const NONE: Credentials = { kind: 'none' };
const AMBIGUOUS: Credentials = { kind: 'ambiguous' };

/** Undefined for a header that offers none. */
function credentialsIn(name: string, value: string): Credentials | undefined {
  // Most headers are told by the length of their name.
  if (name.length === 'x-api-key'.length && name.toLowerCase() === 'x-api-key') return { kind: 'key', text: value };
  if (name.length !== 'authorization'.length || name.toLowerCase() !== 'authorization') return undefined;
  const scheme = BEARER.exec(value);
  return scheme ? { kind: 'key', text: value.slice(scheme[0].length) } : { kind: 'unreadable' };
}
