import { isIPv4, isIPv6 } from 'node:net';
import { groupsOf } from './address-bucket.js';

/** Addresses of one family with the same first bits. */
interface Range {
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly bits: number;
}

/** ::ffff:0:0/96 (RFC 4291, 2.5.5.2): IPv4 addresses as IPv6 sockets show them. */
const MAPPED = 0xffffn;

/** Whether the text is an address or a CIDR range (`10.0.0.0/8`, `2001:db8::/32`), IPv4 or IPv6, with no bit set behind its length. */
export function isAddressRange(text: string): boolean {
  return parseRange(text) !== undefined;
}

/** Whether one of the ranges holds the address; an IPv4 address also in its IPv6 form. Text that is no address lies nowhere. */
export function isWithin(address: string, ranges: readonly string[]): boolean {
  const found = parseAddress(address.split('%', 1)[0] ?? '');
  return found !== undefined && ranges.some((range) => holds(parseRange(range), found));
}

/** Whether every address of `inner` lies in one of the ranges by itself. */
export function isRangeWithin(inner: string, ranges: readonly string[]): boolean {
  const range = parseRange(inner);
  return range !== undefined && ranges.some((outer) => holds(parseRange(outer), range));
}

function holds(outer: Range | undefined, inner: Range): boolean {
  if (outer?.family !== inner.family || outer.bits > inner.bits) return false;
  const rest = BigInt(widthOf(outer.family) - outer.bits);
  return inner.first >> rest === outer.first >> rest;
}

function parseRange(text: string): Range | undefined {
  const [, bare = '', length] = /^([0-9A-Fa-f.:]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? [];
  const address = parseAddress(bare);
  if (!address || length === undefined) return address;
  // The length of a range in mapped form counts from the front of the IPv6 address.
  const bits = Number(length) - (address.family === 4 && isIPv6(bare) ? 96 : 0);
  if (bits < 0 || bits > widthOf(address.family)) return undefined;
  const rest = BigInt(widthOf(address.family) - bits);
  return (address.first >> rest) << rest === address.first ? { ...address, bits } : undefined;
}

function parseAddress(text: string): Range | undefined {
  if (isIPv4(text)) return { family: 4, first: joined(text.split('.').map(Number), 8n), bits: 32 };
  if (!isIPv6(text)) return undefined;
  const first = joined(groupsOf(text), 16n);
  return first >> 32n === MAPPED ? { family: 4, first: first & 0xffffffffn, bits: 32 } : { family: 6, first, bits: 128 };
}

function joined(parts: readonly number[], width: bigint): bigint {
  return parts.reduce((sum, part) => (sum << width) | BigInt(part), 0n);
}

function widthOf(family: Range['family']): number {
  return family === 4 ? 32 : 128;
}
