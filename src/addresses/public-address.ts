import ipaddr from 'ipaddr.js';
import { parseAddress } from './address.js';
import { matcherOf } from './address-ranges.js';

/** What the internet routes of IPv6 (RFC 4291, 2.4); all else is special, and what holds an IPv4 address in it is judged by nobody. */
const GLOBAL_UNICAST: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];

/** Public by its number, but answered by the host that a virtual machine runs on (Azure): its metadata. */
const isPlatform = matcherOf(['168.63.129.16']);

const PRIVATE_NAMES = ['localhost', 'local', 'internal', 'localdomain', 'home.arpa'];

/**
 * Whether the address leads to a host of the public internet: to neither this machine, nor its neighbours, nor its cloud's metadata service (IANA
 * special-purpose registries). IPv4 inside IPv6 (mapped, NAT64, 6to4, Teredo) is not public, whatever it holds. Nor is text that is no address.
 */
export function isPublicAddress(text: string): boolean {
  const address = parseAddress(text);
  if (address === undefined || address.range() !== 'unicast' || isPlatform(text)) return false;
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_UNICAST);
}

/** Names that are looked up inside the house only (RFC 6761, RFC 6762, RFC 8375, RFC 9476). In lower case, without a closing dot. */
export function isPrivateName(name: string): boolean {
  return PRIVATE_NAMES.some((known) => name === known || name.endsWith(`.${known}`));
}
