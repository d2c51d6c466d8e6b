import type { RouteAccess } from '../http/route-access.js';

/** The mark of a route in words. */
export function describeAccess(access: RouteAccess): string {
  if (typeof access === 'object') return `public, or any key, by \`${access.setting}\``;
  return access === 'optional' ? 'public; a key shows more' : access;
}
