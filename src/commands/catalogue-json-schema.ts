import { z } from 'zod';
import { catalogueFileSchema } from './catalogue-schema.js';

/** JSON Schema of a catalogue file, for editors: completion, explanations, mistakes while typing. */
export function catalogueJsonSchema(): Readonly<Record<string, unknown>> {
  const schema = z.toJSONSchema(catalogueFileSchema, { target: 'draft-2020-12', io: 'input' });
  return { $id: 'urn:sallyport:schema:catalogue', title: 'Sallyport catalogue', ...schema };
}
