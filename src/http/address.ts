import { GatewayError } from '../domain/errors.js';

/** Longer than the address of any route with any id of ours and any query it takes. */
export const MAX_ADDRESS_LENGTH = 2_048;

/** Where no route will ever be. */
const NOWHERE = '/*';

/** Sends what the router could not read to where nothing is: hooks, limits and log see it like any other request. */
export function routableAddress({ url = '/' }: { readonly url?: string | undefined }): string {
  return addressFault(url) ? NOWHERE : url;
}

/** Why an address is not even looked up; undefined when it can be. */
export function addressFault(url: string): GatewayError | undefined {
  if (url.length > MAX_ADDRESS_LENGTH) return new GatewayError('uri_too_long', 'The address is longer than this gateway takes.');
  // A fragment stays with the client (RFC 9112, 3.2): what sends one has been told to by somebody.
  if (url.includes('#')) return new GatewayError('malformed_request', 'The address holds a fragment.');
  return isDecodable(url) ? undefined : new GatewayError('malformed_request', 'The address cannot be read.');
}

function isDecodable(url: string): boolean {
  if (!url.includes('%')) return true;
  try {
    decodeURIComponent(url.split('?', 1)[0] ?? '');
    return true;
  } catch {
    return false;
  }
}
