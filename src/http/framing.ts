import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '../domain/errors.js';

/** Header lines of one request. */
export const MAX_HEADERS = 100;
/** All header lines of one request, each with its colon, space and line end. */
export const MAX_HEADER_BYTES = 16 * 1024;
/** Where Node's own parser gives up, which counts in its own way: far enough from ours that ours decides. */
export const NODE_HEADER_BYTES = 2 * MAX_HEADER_BYTES;

/** Headers of which a request has one: a proxy before us may go by the first where we go by the last. Lower case. */
const SINGLE = new Set(['host', 'authorization', 'x-api-key', 'content-type', 'origin']);
const SINGLE_LENGTHS = new Set([...SINGLE].map((name) => name.length));
/** `uri-host [":" port]` (RFC 9110, 7.2), names without percent-encoding. */
const HOST = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;
/** RFC 9112, 3.2.2. */
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)/i;

/**
 * Why the frame of a request is not to be trusted: somebody else who reads the same bytes could see another request, for another
 * host or from another caller. Node's parser refuses most of such (two lengths, bare line feeds, folded lines …) by itself and calls
 * `clientError`; this is what it lets through. The connection is not to be used for another request.
 */
export function framingFault({ httpVersion, url = '', rawHeaders, headers }: IncomingMessage): GatewayError | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return malformed('HTTP/1.1 and HTTP/1.0 are taken here.');
  return headerFault(rawHeaders) ?? encodingFault(httpVersion, headers['transfer-encoding']) ?? hostFault(httpVersion, headers.host, url);
}

function headerFault(rawHeaders: readonly string[]): GatewayError | undefined {
  let bytes = 0;
  let seen: string[] | undefined;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    bytes += name.length + rawHeaders[at + 1]!.length + 4;
    // Most headers are told by the length of their name.
    if (!SINGLE_LENGTHS.has(name.length)) continue;
    const known = name.toLowerCase();
    if (!SINGLE.has(known)) continue;
    if (seen?.includes(known)) return malformed('A header stands there twice of which a request has one.');
    (seen ??= []).push(known);
  }
  if (bytes > MAX_HEADER_BYTES) return new GatewayError('headers_too_large', `The headers are longer than ${MAX_HEADER_BYTES} bytes.`);
  return rawHeaders.length > 2 * MAX_HEADERS
    ? new GatewayError('headers_too_large', `There are more than ${MAX_HEADERS} headers.`)
    : undefined;
}

/** Node reads chunks wherever `chunked` comes last; what stands before it would be left undone (RFC 9112, 6.1). */
function encodingFault(httpVersion: string, encoding: string | undefined): GatewayError | undefined {
  if (encoding === undefined) return undefined;
  if (httpVersion === '1.0') return malformed('HTTP/1.0 knows no Transfer-Encoding.');
  return encoding.toLowerCase() === 'chunked' ? undefined : new GatewayError('not_implemented', 'The one Transfer-Encoding is chunked.');
}

function hostFault(httpVersion: string, host: string | undefined, url: string): GatewayError | undefined {
  if (host === undefined) return httpVersion === '1.1' ? malformed('An HTTP/1.1 request names its host.') : undefined;
  if (!HOST.test(host)) return malformed('The header Host names no host.');
  const authority = ABSOLUTE_FORM.exec(url)?.[1];
  return authority === undefined || authority.toLowerCase() === host.toLowerCase()
    ? undefined
    : malformed('The address names another host than the header Host.');
}

function malformed(detail: string): GatewayError {
  return new GatewayError('malformed_request', detail);
}

/** Hands requests that nobody asks of a gateway to the same readers as all others, instead of Node's bare line or silence. */
export function answerOddRequests(server: Server, refuse: (socket: Socket, error: GatewayError) => void): void {
  // Expectations that we do not know are ignored, as RFC 9110, 10.1.1 allows; Node would refuse them with a bare line.
  server.on('checkExpectation', (request, response) => void server.emit('request', request, response));
  server.on('connect', (_request, socket) =>
    refuse(socket as Socket, new GatewayError('not_implemented', 'This is no proxy: CONNECT is not taken.')),
  );
}
