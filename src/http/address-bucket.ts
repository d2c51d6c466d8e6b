import { isIPv4 } from 'node:net';
import { parsePlain } from '../addresses/address.js';

/**
 * The name under which the requests of an address are counted. IPv4: the address. IPv6: its /64, since a single host is given at least that
 * many addresses. IPv4-mapped IPv6 counts as the IPv4 address it is. Anything else (a Unix socket has no address) shares one bucket.
 */
export function addressBucket(address: string): string {
  if (isIPv4(address)) return address;
  const found = parsePlain(address);
  if (!found) return 'unknown';
  if (!('parts' in found)) return found.toString();
  return `${found.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}
