import { z } from 'zod';
import { OBS_REQUEST_NAMES } from '../obs/obs-requests.js';

const MOST_REQUESTS = 8;

const request = z.enum(OBS_REQUEST_NAMES, { error: `expected one of ${OBS_REQUEST_NAMES.join(', ')}` });

/** The section `obs` of a declaration. */
export const obsSchema = z
  .strictObject({
    request: z
      .union([request, z.array(request).min(2).max(MOST_REQUESTS)], {
        error: `expected one of ${OBS_REQUEST_NAMES.join(', ')}, or a list of some that take no data`,
      })
      .meta({ description: 'Request of obs-websocket 5, or several that take no data' }),
    data: z
      .record(z.string(), z.union([z.string().max(1_000), z.number(), z.boolean()], { error: 'expected text, a number, true or false' }))
      .default({})
      .meta({ description: 'Fields of the request; "{x}" as a whole text becomes the value of the param' }),
  })
  .meta({ description: 'A request to OBS Studio' });

export type ObsSection = z.output<typeof obsSchema>;
