import { z } from 'zod';
import { parseDuration } from '../config/units.js';
import { type ApiKey, ROLES } from '../domain/principal.js';

const name = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u, { error: 'expected printable characters' })
  .refine((text) => text.trim() !== '', { error: 'expected more than spaces' })
  .meta({ description: 'Who or what holds the key', examples: ['ci pipeline'] });

/** Two stars at most: matching a glob takes time that grows with the length of the name to the power of its stars. */
export const scopeSchema = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[a-z0-9._-]*(?:\*[a-z0-9._-]*){0,2}$/, { error: 'expected a command name, with * (at most two) for any characters' })
  .meta({ description: 'Commands the key may touch', examples: ['git.*'] });

const duration = z
  .string()
  .meta({ description: 'Time the key is valid for', examples: ['30d'] })
  .transform((text, context): number => {
    const milliseconds = parseDuration(text);
    if (milliseconds !== undefined) return milliseconds;
    context.addIssue({ code: 'custom', message: 'expected a duration such as 2h or 30d' });
    return z.NEVER;
  });

/** What a new key shall be; the same for REST and the command line. */
export const newKeySchema = z
  .strictObject({
    name,
    role: z.enum(ROLES),
    scopes: z.array(scopeSchema).min(1).max(50).default(['*']),
    expiresAt: z.iso
      .datetime({ offset: true })
      .optional()
      .meta({ description: 'End of its validity; without one it is valid until revoked' }),
    expiresIn: duration.optional(),
  })
  .refine(({ expiresAt, expiresIn }) => expiresAt === undefined || expiresIn === undefined, {
    path: ['expiresIn'],
    error: 'expected one of expiresAt and expiresIn',
  })
  .meta({ id: 'NewKey' });

/** `expiresIn` in milliseconds. */
export type NewKey = z.output<typeof newKeySchema>;

const instant = z.string().meta({ format: 'date-time' });
const keyFields = z.strictObject({
  id: z.string(),
  name: z.string(),
  role: z.enum(ROLES),
  scopes: z.array(z.string()),
  createdAt: instant,
  createdBy: z.string(),
  expiresAt: instant.nullable(),
  revokedAt: instant.nullable(),
  lastUsedAt: instant.nullable(),
});

/** A key as its managers see it: everything but the hash of its secret. */
export const keySchema = keyFields.meta({ id: 'Key' });
export type KeyView = Readonly<z.output<typeof keyFields>>;

export const keyListSchema = z.strictObject({ items: z.array(keyFields), nextCursor: z.null() }).meta({ id: 'KeyList' });

export const createdKeySchema = z
  .strictObject({
    key: z.string().meta({ description: 'The key itself. It is shown this once.' }),
    ...keyFields.pick({ id: true, name: true, role: true, scopes: true, createdAt: true, expiresAt: true }).shape,
  })
  .meta({ id: 'CreatedKey' });
export type CreatedKeyView = Readonly<z.output<typeof createdKeySchema>>;

const count = z.int().min(0);
const limitLeft = z.strictObject({ limit: count, windowSeconds: count, remaining: count, resetSeconds: count });

export const callerSchema = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    role: z.enum(ROLES),
    scopes: z.array(z.string()),
    limits: z
      .strictObject({ key: limitLeft, address: limitLeft })
      .nullable()
      .meta({ description: 'What is left of them; null when limits are off' }),
  })
  .meta({ id: 'Caller' });
export type CallerView = Readonly<z.output<typeof callerSchema>>;

export function presentKey({ secretHash: _kept, scopes, ...key }: ApiKey): KeyView {
  return { ...key, scopes: [...scopes] };
}

export function presentCreated(text: string, { id, name, role, scopes, createdAt, expiresAt }: ApiKey): CreatedKeyView {
  return { key: text, id, name, role, scopes: [...scopes], createdAt, expiresAt };
}
