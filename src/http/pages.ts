import { z } from 'zod';
import type { Page } from '../domain/audit.js';
import { Answer } from './answer.js';

/** `?limit=` of every listing. */
export const limitParameter = z.coerce
  .number({ error: 'expected a whole number from 1 to 200' })
  .int()
  .min(1)
  .max(200)
  .default(50)
  .meta({ description: 'Entries a page' });

/** A page as `{items, nextCursor}`, with `Link: rel="next"` (RFC 8288) when there is more. */
export function pageAnswer<T>(path: string, query: Readonly<Record<string, string | number | undefined>>, page: Page<T>): Answer<Page<T>> {
  if (page.nextCursor === null) return new Answer(200, page);
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  parameters.set('cursor', page.nextCursor);
  return new Answer(200, page, { link: `<${path}?${parameters.toString()}>; rel="next"` });
}
