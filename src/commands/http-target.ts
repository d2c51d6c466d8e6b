import type { TargetRules } from '../domain/outgoing.js';
import type { HttpDeclaration } from './http-declaration.js';
import type { UrlTemplate } from './http-templates.js';

/** Where a call of this declaration may lead. */
export function targetOf({ scheme, host, port }: UrlTemplate, { hosts, privateRanges, redirects }: HttpDeclaration): TargetRules {
  return {
    // A redirect may lead from HTTP to HTTPS, never back.
    schemes: redirects > 0 && scheme === 'http' ? ['http', 'https'] : [scheme],
    hosts: typeof host === 'string' ? [host.replace(/^\[(.*)\]$/, '$1'), ...hosts] : hosts,
    ports: port === null ? [] : [port],
    privateRanges,
  };
}
