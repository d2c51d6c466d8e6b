import { isIP, isIPv4 } from 'node:net';
import { matcherOf } from '../addresses/address-ranges.js';
import { isPrivateName, isPublicAddress } from '../addresses/public-address.js';
import type { TargetRules } from '../domain/outgoing.js';

/** What a `url` param allows. Schemes without the colon; hosts exact or as `*.example.com`, `*` for any. */
export interface UrlRules {
  readonly schemes: readonly string[];
  readonly hosts: readonly string[];
  readonly allowPrivate: boolean;
}

export type UrlVerdict = { readonly href: string } | { readonly refusal: string };

/**
 * The normalised address that `text` means, or why it may not be used. User names and passwords are always refused: argv is no
 * place for them. Names are judged as written: what they resolve to is up to the program that is started.
 */
export function checkUrl(text: string, rules: UrlRules): UrlVerdict {
  const url = URL.parse(text);
  if (url === null) return { refusal: 'expected a URL' };
  const refusal = refusalOf(url, rules);
  if (refusal !== undefined) return { refusal };
  return rules.allowPrivate || !isPrivateHost(hostOf(url).replace(/\.$/, '')) ? { href: url.href } : { refusal: PRIVATE };
}

export type TargetVerdict = { readonly url: URL } | { readonly refusal: string };

/**
 * Judges what the gateway itself is about to call, as it is written. What can be read in two ways is refused: an IPv4 address in any but its
 * usual spelling, a name with a closing dot. What a name leads to is judged when it has been looked up.
 */
export function judgeTarget(text: string, rules: TargetRules): TargetVerdict {
  const url = URL.parse(text);
  if (url === null) return { refusal: 'expected a URL' };
  const refusal = refusalOf(url, rules) ?? spellingRefusal(url, text);
  if (refusal !== undefined) return { refusal };
  if (url.port !== '' && !rules.ports.includes(Number(url.port))) return { refusal: 'leads to a port that is not allowed' };
  const host = hostOf(url);
  const isOpen = isIP(host) === 0 ? rules.privateRanges.length > 0 || !isPrivateName(host) : addressJudge(rules)(host);
  return isOpen ? { url } : { refusal: PRIVATE };
}

/** Tells of each address that a name was resolved to whether it may be connected to. */
export function addressJudge({ privateRanges }: Pick<TargetRules, 'privateRanges'>): (address: string) => boolean {
  const isAllowed = matcherOf(privateRanges);
  return (address) => isPublicAddress(address) || isAllowed(address);
}

const PRIVATE = 'leads to a private address';

function refusalOf(url: URL, { schemes, hosts }: Pick<UrlRules, 'schemes' | 'hosts'>): string | undefined {
  if (!schemes.includes(url.protocol.slice(0, -1))) return `expected a URL with ${schemes.join(' or ')}`;
  if (url.username !== '' || url.password !== '') return 'must not carry a user name or password';
  const host = hostOf(url).replace(/\.$/, '');
  return host !== '' && hosts.some((pattern) => matchesHost(host, pattern)) ? undefined : 'leads to a host that is not allowed';
}

function spellingRefusal(url: URL, text: string): string | undefined {
  if (url.hostname.endsWith('.')) return 'must not end its host with a dot';
  const written = /^[a-z]+:\/\/([^/?#:]*)/i.exec(text)?.[1];
  return isIPv4(url.hostname) && written !== url.hostname ? 'must write an IPv4 address as four decimal numbers' : undefined;
}

/** Without the brackets of an IPv6 address. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

function matchesHost(host: string, pattern: string): boolean {
  const wanted = pattern.toLowerCase();
  if (wanted === '*') return true;
  return wanted.startsWith('*.') ? host.endsWith(wanted.slice(1)) && host.length > wanted.length - 1 : host === wanted;
}

function isPrivateHost(host: string): boolean {
  return isIP(host) === 0 ? isPrivateName(host) : !isPublicAddress(host);
}
