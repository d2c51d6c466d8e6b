import { isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { type Address, parsePlain } from './address.js';

/** Addresses of one family with the same first bits. */
interface Range {
  readonly first: Address;
  readonly bits: number;
}

const RANGE = /^([0-9A-Fa-f.:]+)(?:\/(0|[1-9]\d{0,2}))?$/;

/** Whether the text is an address or a CIDR range (`10.0.0.0/8`, `2001:db8::/32`), IPv4 or IPv6, with no bit set behind its length. */
export function isAddressRange(text: string): boolean {
  const range = parseRange(text);
  return range !== undefined && isFirst(range);
}

/** Whether one of the ranges holds the address; an IPv4 address also in its IPv6 form. Text that is no address lies nowhere. */
export function isWithin(address: string, ranges: readonly string[]): boolean {
  return ranges.length > 0 && matcherOf(ranges)(address);
}

/** The same, for ranges that are asked about often. Bits behind the length of a range do not matter. */
export function matcherOf(ranges: readonly string[]): (address: string) => boolean {
  const parsed = ranges.map(parseRange).filter((range) => range !== undefined);
  if (parsed.length === 0) return () => false;
  return (address) => {
    const found = parsePlain(address);
    return found !== undefined && parsed.some((range) => holds(range, found));
  };
}

/** Whether every address of `inner` lies in one of the ranges by itself. */
export function isRangeWithin(inner: string, ranges: readonly string[]): boolean {
  const range = parseRange(inner);
  if (range === undefined || !isFirst(range)) return false;
  return ranges.some((text) => {
    const outer = parseRange(text);
    return outer !== undefined && outer.bits <= range.bits && holds(outer, range.first);
  });
}

function holds({ first, bits }: Range, address: Address): boolean {
  return first.kind() === address.kind() && address.match(first, bits);
}

function parseRange(text: string): Range | undefined {
  const [, bare = '', length] = RANGE.exec(text) ?? [];
  const first = parsePlain(bare);
  if (!first) return undefined;
  const width = first.kind() === 'ipv4' ? 32 : 128;
  if (length === undefined) return { first, bits: width };
  // The length of a range in mapped form counts from the front of the IPv6 address.
  const bits = Number(length) - (width === 32 && isIPv6(bare) ? 96 : 0);
  return bits < 0 || bits > width ? undefined : { first, bits };
}

function isFirst({ first, bits }: Range): boolean {
  const network =
    first instanceof ipaddr.IPv4
      ? ipaddr.IPv4.networkAddressFromCIDR(`${first.toString()}/${bits}`)
      : ipaddr.IPv6.networkAddressFromCIDR(`${first.toString()}/${bits}`);
  return network.toString() === first.toString();
}
