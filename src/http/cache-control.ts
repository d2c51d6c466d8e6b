/** What a caller says about results that are there already: `no-cache`, it wants a new one; `no-store`, nobody shall get its either. */
export type Caching = 'no-cache' | 'no-store';

/** Reads `Cache-Control` of a request (RFC 9111, 5.2.1). What asks for something fresh in other words counts as `no-cache`. */
export function parseCacheControl(header: string | undefined): Caching | undefined {
  if (header === undefined) return undefined;
  const directives = header.split(',').map((directive) => directive.trim().toLowerCase());
  if (directives.includes('no-store')) return 'no-store';
  return directives.some((directive) => directive === 'no-cache' || /^max-age="?0+"?$/.test(directive)) ? 'no-cache' : undefined;
}
