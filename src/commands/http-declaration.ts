import { z } from 'zod';
import { isAddressRange } from '../addresses/address-ranges.js';

const MAX_REDIRECTS = 5;

const headerName = z
  .string()
  .max(128)
  .regex(/^[a-z][a-z0-9-]*$/, { error: 'expected the name of a header in lower case' });
const hostPattern = z.string().regex(/^(\*|(\*\.)?[a-z0-9.:-]+)$/, { error: 'expected a host, *.example.com or *' });
const range = z.string().refine(isAddressRange, { error: 'expected an address or a CIDR range' });

/** A call to a service as a catalogue file declares it. */
export const httpSchema = z.strictObject({
  method: z
    .enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'], { error: 'expected GET, HEAD, POST, PUT, PATCH or DELETE' })
    .default('GET'),
  url: z
    .string()
    .max(2_048)
    .meta({ description: 'Address; "{x}" may be the whole host, and stand in parts of the path and in values of the query' }),
  headers: z.record(headerName, z.string().max(8_192)).default({}).meta({ description: 'One with a param that is not given is left out' }),
  json: z.unknown().optional().meta({ description: 'Body as JSON; a text that is just "{x}" becomes the value with its type' }),
  form: z
    .record(z.string().min(1), z.string())
    .optional()
    .meta({ description: 'Body as a form; a field whose param is not given is left out' }),
  expect: z
    .array(z.int().min(200).max(599))
    .min(1)
    .optional()
    .meta({ description: 'Statuses that are a success; any of 2xx unless given' }),
  redirects: z
    .int()
    .min(0)
    .max(MAX_REDIRECTS)
    .default(0)
    .meta({ description: 'Redirects that are followed, each judged like the first address' }),
  hosts: z
    .array(hostPattern)
    .default([])
    .meta({ description: 'Hosts that may be called beside that of `url`: where it is a param, and after redirects' }),
  privateRanges: z
    .array(range)
    .default([])
    .meta({ description: 'Addresses and CIDR ranges that may be called although they are not public' }),
  readsOnly: z.boolean().default(false).meta({ description: 'The method could change something, and does not' }),
});
export type HttpDeclaration = z.output<typeof httpSchema>;
