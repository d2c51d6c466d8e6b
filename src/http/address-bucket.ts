import { isIPv4, isIPv6 } from 'node:net';

/**
 * The name under which the requests of an address are counted. IPv4: the address. IPv6: its /64, since a single host is given at least that
 * many addresses. IPv4-mapped IPv6 counts as the IPv4 address it is. Anything else (a Unix socket has no address) shares one bucket.
 */
export function addressBucket(address: string): string {
  if (isIPv4(address)) return address;
  const [bare = ''] = address.split('%', 1);
  if (!isIPv6(bare)) return 'unknown';
  const groups = groupsOf(bare);
  if (isMapped(groups)) return [groups[6]!, groups[7]!].flatMap((group) => [group >> 8, group & 0xff]).join('.');
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`;
}

/** The eight 16-bit groups of a valid IPv6 address. */
export function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::', 2);
  const front = parseGroups(head);
  if (tail === undefined) return front;
  const back = parseGroups(tail);
  return [...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back];
}

function parseGroups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

/** ::ffff:0:0/96 (RFC 4291, 2.5.5.2). */
function isMapped(groups: readonly number[]): boolean {
  return groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
}
