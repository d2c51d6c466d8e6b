import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';

export type Address = ipaddr.IPv4 | ipaddr.IPv6;

const DOTTED_TAIL = /(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

/**
 * The address that the text is, IPv6 with or without its zone; undefined for any other text. Only the usual spelling of IPv4 counts: four
 * decimal numbers without leading zeros.
 */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return ipaddr.IPv4.parse(text);
  const [bare = ''] = text.split('%', 1);
  return isIPv6(bare) ? ipaddr.IPv6.parse(bare.replace(DOTTED_TAIL, inGroups)) : undefined;
}

/** The same with an IPv4 address in its IPv6 form (RFC 4291, 2.5.5.2), as sockets of both families show it, as the IPv4 address that it is. */
export function parsePlain(text: string): Address | undefined {
  const address = parseAddress(text);
  return address instanceof ipaddr.IPv6 && isMapped(address) ? address.toIPv4Address() : address;
}

/** ::ffff:0:0/96. */
function isMapped({ parts }: ipaddr.IPv6): boolean {
  return parts[5] === 0xffff && parts.slice(0, 5).every((part) => part === 0);
}

/** In this form the library takes `::1.2.3.4` for `::ffff:1.2.3.4`, which is another address. */
function inGroups(_: string, ...bytes: readonly string[]): string {
  const [a = 0, b = 0, c = 0, d = 0] = bytes.slice(0, 4).map(Number);
  return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
