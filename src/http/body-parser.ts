import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { GatewayError } from '../domain/errors.js';

/** Enough for the deepest value that an argument may have, inside an item of a batch; keeps recursive walks behind the door safe. */
const MAX_JSON_DEPTH = 40;

/**
 * Takes JSON bodies and nothing else: valid UTF-8, no byte order mark, at most {@link MAX_JSON_DEPTH} levels, no `__proto__` or
 * `constructor.prototype` members, not compressed. An empty body is no body.
 */
export function acceptJsonBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  const parseJson = fastify.getDefaultJsonParser('error', 'error');
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const { 'content-encoding': encoding = 'identity' } = request.headers;
    if (encoding.toLowerCase() !== 'identity') return done(new GatewayError('unsupported_media_type', 'Bodies are taken uncompressed.'));
    if (body.length === 0) return done(null, undefined);
    if (!isUtf8(body as Buffer)) return done(malformed('The body is not valid UTF-8.'));
    const text = body.toString('utf8');
    if (text.charCodeAt(0) === 0xfeff) return done(malformed('The body begins with a byte order mark.'));
    if (exceedsDepth(text, MAX_JSON_DEPTH)) return done(malformed(`The body nests deeper than ${MAX_JSON_DEPTH} levels.`));
    void parseJson(request, text, (error, value) => done(error ? malformed('The body is not valid JSON.') : null, value));
  });
}

function malformed(detail: string): GatewayError {
  return new GatewayError('malformed_request', detail);
}

/** Whether brackets outside strings nest deeper than `limit`. One pass; the text need not be valid JSON. */
export function exceedsDepth(text: string, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === 0x5c) index++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > limit) return true;
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return false;
}
