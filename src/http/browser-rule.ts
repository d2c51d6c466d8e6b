import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { matcherOf } from '../addresses/address-ranges.js';
import { GatewayError } from '../domain/errors.js';

export interface BrowserRuleOptions {
  /** What the gateway listens on. */
  readonly listensOn: string;
  /** Names that requests may call it by; undefined: any, and on loopback those of loopback. */
  readonly allowedHosts: readonly string[] | undefined;
  /** Origins whose pages may call. */
  readonly origins: readonly string[];
  /** Whoever connects from there speaks for others, and has checked the name itself. */
  readonly proxies: readonly string[];
}

type Asked = Pick<FastifyRequest, 'host' | 'headers' | 'raw'>;

/**
 * What no page may make a browser do. A page of another origin may not call unless its origin is named (`null` never is): CORS alone only
 * hides the answer from it. And a page whose name its owner has pointed at this machine (DNS rebinding) is of the same origin for the
 * browser, but gives itself away by the name that it calls us by.
 * @returns why the request is refused; undefined for all others, those of programs among them, which send no Origin
 */
export function createBrowserRule(options: BrowserRuleOptions): (request: Asked) => GatewayError | undefined {
  const isOurName = nameMatcher(options);
  const isProxy = matcherOf(options.proxies);
  const origins = new Set(options.origins);
  return (request) => {
    const { host, origin } = request.headers;
    if (host !== undefined && !isOurName(host) && !isProxy(request.raw.socket.remoteAddress ?? '')) return HOST_REFUSED;
    if (origin === undefined || origins.has(origin) || isOwn(origin, request.host)) return undefined;
    return ORIGIN_REFUSED;
  };
}

const HOST_REFUSED = new GatewayError('host_refused', 'This gateway is not reached by that name.');
const ORIGIN_REFUSED = new GatewayError('origin_refused', 'Pages of that origin may not call this gateway.');

/** The scheme is left out: behind a proxy that speaks TLS for us we know ours only if it says so. */
function isOwn(origin: string, host: string): boolean {
  const [, scheme = '', authority] = /^(https?):\/\/(.+)$/i.exec(origin) ?? [];
  return authority !== undefined && withoutPort(authority.toLowerCase(), scheme) === withoutPort(host.toLowerCase(), scheme);
}

/** Browsers leave out the port that goes without saying; others do not. */
function withoutPort(authority: string, scheme: string): string {
  return authority.replace(scheme.toLowerCase() === 'https' ? /:443$/ : /:80$/, '');
}

function nameMatcher({ listensOn, allowedHosts }: BrowserRuleOptions): (host: string) => boolean {
  const onLoopback = isLoopback(listensOn);
  if (!onLoopback && !allowedHosts) return () => true;
  const named = new Set(allowedHosts?.map((name) => name.toLowerCase()));
  let lastTaken: string | undefined;
  return (host) => {
    if (host === lastTaken) return true;
    const name = nameOf(host);
    if (!named.has(name) && !(onLoopback && isLoopback(name))) return false;
    lastTaken = host;
    return true;
  };
}

/** Without port, brackets and the dot of the root. */
function nameOf(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

const isLoopbackAddress = matcherOf(['127.0.0.0/8', '::1']);

/** Names under `localhost` are loopback wherever they are looked up (RFC 6761, 6.3). */
function isLoopback(name: string): boolean {
  return isIP(name) === 0 ? name === 'localhost' || name.endsWith('.localhost') : isLoopbackAddress(name);
}
