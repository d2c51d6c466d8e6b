import type { OutgoingAnswer, OutgoingCall } from './outgoing-call.js';

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** What may go to another origin. Whatever else a call carries may be a credential, whatever it is called. */
const PLAIN_HEADERS = new Set(['accept', 'accept-language', 'content-type', 'user-agent', 'traceparent']);

/**
 * The call that an answer sends its caller on to; undefined when it is none that does. Refused: an address that cannot be read, the step from
 * HTTPS to HTTP, and a body that would go to another origin. Where the next call leads is judged by whoever makes it.
 */
export function nextCall(call: OutgoingCall, from: URL, { status, headers }: OutgoingAnswer): OutgoingCall | 'refused' | undefined {
  const { location } = headers;
  if (!REDIRECTS.has(status) || location === undefined) return undefined;
  const to = typeof location === 'string' ? URL.parse(location, from.href) : null;
  if (to === null || (from.protocol === 'https:' && to.protocol !== 'https:')) return 'refused';
  const isRepeated = !becomesGet(call.method, status);
  const body = isRepeated ? call.body : null;
  const isSameOrigin = to.origin === from.origin;
  if (body !== null && !isSameOrigin) return 'refused';
  // As it was written, so that its spelling is judged.
  const url = typeof location === 'string' && URL.canParse(location) ? location : to.href;
  return { ...call, method: isRepeated ? call.method : 'GET', url, body, headers: keptHeaders(call.headers, isSameOrigin, body !== null) };
}

/** RFC 9110, 15.4: 303 for all methods, 301 and 302 for POST alone. */
function becomesGet(method: string, status: number): boolean {
  if (method === 'GET' || method === 'HEAD') return false;
  return status === 303 || ((status === 301 || status === 302) && method === 'POST');
}

function keptHeaders(headers: OutgoingCall['headers'], isSameOrigin: boolean, hasBody: boolean): OutgoingCall['headers'] {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => (isSameOrigin || PLAIN_HEADERS.has(name)) && (hasBody || name !== 'content-type')),
  );
}
