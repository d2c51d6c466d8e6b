import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { GatewayError } from '../domain/errors.js';

/** What a JSON body may hold, whatever its length. Enough for any request; keeps walks behind the door short and shallow. */
export const JSON_LIMITS = {
  /** Levels: enough for the deepest value that an argument may have, inside an item of a batch. */
  depth: 40,
  /** Members of one object. */
  members: 1_000,
  /** Elements of one array. */
  elements: 10_000,
} as const;

/**
 * Takes JSON bodies and nothing else: valid UTF-8, no byte order mark, within {@link JSON_LIMITS}, no member twice, no `__proto__` or
 * `constructor.prototype` members, no number that would become another, not compressed. An empty body is no body.
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
    const members = countMembers(text, JSON_LIMITS.depth);
    if (members === 'too deep') return done(new GatewayError('body_too_deep', `The body nests deeper than ${JSON_LIMITS.depth} levels.`));
    void parseJson(request, text, (error, value) => {
      const fault = error ? malformed('The body is not valid JSON.') : valueFault(value, members, text);
      done(fault ?? null, value);
    });
  });
}

function malformed(detail: string): GatewayError {
  return new GatewayError('malformed_request', detail);
}

/** The members of all objects of the text, told by their colons. One pass; the text need not be valid JSON. */
export function countMembers(text: string, depthLimit: number): number | 'too deep' {
  let [depth, members] = [0, 0];
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (inString) {
      if (code === 0x5c) index++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x3a) members++;
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > depthLimit) return 'too deep';
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return members;
}

interface Census {
  members: number;
  tooWide: boolean;
  /** Whole numbers where doubles are further apart than one, or what no double can hold. */
  largeNumbers: boolean;
}

/** @param written members of the text: of those of one name the parser has kept the last */
function valueFault(value: unknown, written: number, text: string): GatewayError | undefined {
  const census: Census = { members: 0, tooWide: false, largeNumbers: false };
  count(value, census);
  if (census.tooWide) {
    const { members, elements } = JSON_LIMITS;
    return new GatewayError(
      'body_too_wide',
      `No object of a body has more than ${members} members, no array more than ${elements} elements.`,
    );
  }
  if (census.members !== written) return malformed('An object of the body names a member twice.');
  if (census.largeNumbers && changesNumbers(text)) return malformed('A number of the body cannot be held exactly: send it as a text.');
  return undefined;
}

/** Recursion is as deep as the text is, which is known to be little. */
function count(value: unknown, census: Census): void {
  if (typeof value === 'number') {
    if (Math.abs(value) > Number.MAX_SAFE_INTEGER) census.largeNumbers = true;
  } else if (Array.isArray(value)) {
    if (value.length > JSON_LIMITS.elements) census.tooWide = true;
    for (const element of value) count(element, census);
  } else if (typeof value === 'object' && value !== null) {
    const members = Object.values(value);
    census.members += members.length;
    if (members.length > JSON_LIMITS.members) census.tooWide = true;
    for (const member of members) count(member, census);
  }
}

/** Whether a number of the text is beyond all doubles, or a whole number written in digits that is not the one that came of it. */
function changesNumbers(text: string): boolean {
  let changed = false;
  JSON.parse(text, (_name, value: unknown, context?: { readonly source?: string }) => {
    if (typeof value === 'number') changed ||= !isExact(value, context?.source ?? '');
    return value;
  });
  return changed;
}

function isExact(value: number, source: string): boolean {
  return Number.isFinite(value) && (!/^-?\d+$/.test(source) || BigInt(source) === BigInt(value));
}
