import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** What a `url` param allows. Schemes without the colon; hosts exact or as `*.example.com`, `*` for any. */
export interface UrlRules {
  readonly schemes: readonly string[];
  readonly hosts: readonly string[];
  readonly allowPrivate: boolean;
}

export type UrlVerdict = { readonly href: string } | { readonly refusal: string };

/** Addresses that lead to this machine, its neighbours or its cloud's metadata service (IANA special-purpose registries). */
const NOT_PUBLIC = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  NOT_PUBLIC.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  ['::', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  NOT_PUBLIC.addSubnet(network, prefix, 'ipv6');
}
const PRIVATE_NAMES = ['localhost', 'local', 'internal', 'localdomain'];

/**
 * The normalised address that `text` means, or why it may not be used. User names and passwords are always refused: argv is no
 * place for them. Names are judged as written: what they resolve to is up to the program that is started.
 */
export function checkUrl(text: string, rules: UrlRules): UrlVerdict {
  const url = URL.parse(text);
  if (url === null) return { refusal: 'expected a URL' };
  if (!rules.schemes.includes(url.protocol.slice(0, -1))) return { refusal: `expected a URL with ${rules.schemes.join(' or ')}` };
  if (url.username !== '' || url.password !== '') return { refusal: 'must not carry a user name or password' };
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
  if (host === '' || !rules.hosts.some((pattern) => matchesHost(host, pattern))) return { refusal: 'leads to a host that is not allowed' };
  if (!rules.allowPrivate && isPrivateHost(host)) return { refusal: 'leads to a private address' };
  return { href: url.href };
}

function matchesHost(host: string, pattern: string): boolean {
  const wanted = pattern.toLowerCase();
  if (wanted === '*') return true;
  return wanted.startsWith('*.') ? host.endsWith(wanted.slice(1)) && host.length > wanted.length - 1 : host === wanted;
}

function isPrivateHost(host: string): boolean {
  if (isIPv4(host)) return NOT_PUBLIC.check(host, 'ipv4');
  if (isIPv6(host)) return NOT_PUBLIC.check(host, 'ipv6');
  return PRIVATE_NAMES.some((name) => host === name || host.endsWith(`.${name}`));
}
