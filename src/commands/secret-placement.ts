import { z } from 'zod';

const variable = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, { error: 'expected the name of a variable' });

/** How a command gets a secret that the gateway keeps. There is no way into argv, where every user of the host could read it. */
export const secretPlacement = z.union(
  [
    z.strictObject({
      env: z.union([z.literal(true), variable]).meta({ description: 'In a variable: of the name given, or with `true` of its own' }),
    }),
    z.strictObject({ stdin: z.literal(true).meta({ description: 'The program reads it' }) }),
    z.strictObject({
      request: z.literal(true).meta({ description: 'In the request of an `http` command: in a header or the body for "{NAME}"' }),
    }),
    z.strictObject({ file: z.literal(true).meta({ description: 'In a private file; its path stands in `exec` for "{NAME}"' }) }),
  ],
  { error: 'expected { env: true }, { env: NAME }, { stdin: true }, { file: true } or { request: true }' },
);
export type Placement = z.output<typeof secretPlacement>;
