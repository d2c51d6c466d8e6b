import { z } from 'zod';
import { formatRate, parseDuration, parseRate } from '../config/units.js';
import { type ApiKey, ROLES } from '../domain/principal.js';
import { isAddressRange } from '../addresses/address-ranges.js';
import { limitParameter } from '../http/pages.js';

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

/** A duration such as `30d`, as milliseconds. */
const duration = (description: string, example: string) =>
  z
    .string()
    .meta({ description, examples: [example] })
    .transform((text, context): number => {
      const milliseconds = parseDuration(text);
      if (milliseconds !== undefined) return milliseconds;
      context.addIssue({ code: 'custom', message: 'expected a duration such as 2h or 30d' });
      return z.NEVER;
    });

const rate = z
  .string()
  .meta({ description: 'Requests it may make, instead of `RATE_LIMIT_PER_KEY`', examples: ['30/min'] })
  .transform((text, context) => {
    const parsed = parseRate(text);
    if (parsed) return parsed;
    context.addIssue({ code: 'custom', message: 'expected a rate such as 30/min (per s, min, h or d)' });
    return z.NEVER;
  });

const scopes = z.array(scopeSchema).min(1).max(50);
const addressRange = z.string().max(50).refine(isAddressRange, { error: 'expected an address or a CIDR range such as 192.0.2.0/24' });
const addresses = z
  .array(addressRange)
  .min(1)
  .max(50)
  .meta({
    description: 'Addresses and CIDR ranges it may be used from; from anywhere unless given',
    examples: [['192.0.2.0/24', '2001:db8::/32']],
  });
const budget = z
  .int()
  .min(1)
  .max(1_000_000_000)
  .meta({ description: 'Runs a day (UTC)', examples: [500] });
const tokens = z
  .int()
  .min(1)
  .max(1_000_000_000_000)
  .meta({ description: 'Tokens of language models a day (UTC); the last call may go over', examples: [100_000] });
const calls = z
  .int()
  .min(1)
  .max(1_000_000_000)
  .meta({ description: 'Runs in all', examples: [1] });
const expiresAt = z.iso.datetime({ offset: true }).meta({ description: 'End of its validity; without one it is valid until revoked' });
const expiresIn = duration('Time the key is valid for', '30d');

interface Expiry {
  readonly expiresAt?: string | null | undefined;
  readonly expiresIn?: number | undefined;
}
const hasOneEnd = ({ expiresAt: at, expiresIn: within }: Expiry) => at === undefined || within === undefined;
const ONE_END = { path: ['expiresIn'], error: 'expected one of expiresAt and expiresIn' };

/** What every new key may be bound to. */
const bounds = {
  expiresAt: expiresAt.optional(),
  expiresIn: expiresIn.optional(),
  addresses: addresses.optional(),
  rate: rate.optional(),
  budget: budget.optional(),
  tokens: tokens.optional(),
};

/** What a new key shall be; the same for REST and the command line. */
export const newKeySchema = z
  .strictObject({
    name,
    role: z.enum(ROLES),
    scopes: scopes.default(['*']),
    ...bounds,
  })
  .refine(hasOneEnd, ONE_END)
  .meta({ id: 'NewKey' });

/** `expiresIn` in milliseconds. */
export type NewKey = z.output<typeof newKeySchema>;

/** What of a key shall change; null takes a bound away. */
export const keyChangeSchema = z
  .strictObject({
    name: name.optional(),
    role: z.enum(ROLES).optional(),
    scopes: scopes.optional(),
    expiresAt: expiresAt.nullable().optional(),
    expiresIn: expiresIn.optional(),
    addresses: addresses.nullable().optional(),
    rate: rate.nullable().optional(),
    budget: budget.nullable().optional(),
    tokens: tokens.nullable().optional(),
  })
  .refine(hasOneEnd, ONE_END)
  .refine((change) => Object.keys(change).length > 0, { error: 'expected something to change' })
  .meta({ id: 'KeyChange' });
export type ChangeRequest = z.output<typeof keyChangeSchema>;

const LONGEST_OVERLAP_MS = 30 * 86_400_000;

export const rotationSchema = z
  .strictObject({
    overlap: duration('How long the old secret is taken beside the new one; `0s`: not at all', '1h')
      .refine((milliseconds) => milliseconds <= LONGEST_OVERLAP_MS, { error: 'expected 30d at most' })
      .prefault('1h'),
  })
  .meta({ id: 'KeyRotation' });

const MOST_PINNED_CHARACTERS = 8_192;
const pinned = z
  .record(
    z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, { error: 'expected the name of a command' }),
    z.record(z.string().regex(/^[A-Za-z_]\w{0,40}$/, { error: 'expected the name of a param' }), z.json()),
  )
  .refine((pins) => JSON.stringify(pins).length <= MOST_PINNED_CHARACTERS, { error: 'expected 8192 characters of JSON at most' })
  .meta({
    description:
      'Values for params of commands, by command: nothing else may be sent, and what is left out is filled in. No place for secrets',
    examples: [{ 'git.log': { repo: 'site' } }],
  });

/** What a child key shall be. What is left out is as with its parent; its end is in an hour unless given. */
export const childKeySchema = z
  .strictObject({
    name,
    role: z.enum(ROLES).exclude(['admin']).optional(),
    scopes: scopes.optional(),
    pinned: pinned.default({}),
    calls: calls.optional(),
    ...bounds,
  })
  .refine(hasOneEnd, ONE_END)
  .meta({ id: 'NewChildKey' });
export type NewChildKey = z.output<typeof childKeySchema>;

export const keyPageQuery = z.strictObject({
  limit: limitParameter,
  cursor: z
    .string()
    .regex(/^[0-9A-Za-z]{12}$/, { error: 'expected the nextCursor of a page' })
    .optional()
    .meta({ description: '`nextCursor` of the page before' }),
});
export type KeyPageQuery = z.output<typeof keyPageQuery>;

const instant = z.string().meta({ format: 'date-time' });
const pinnedView = z
  .record(z.string(), z.record(z.string(), z.unknown()))
  .meta({ description: 'Values for params of commands: no others may be sent' });
const previousSecret = z
  .strictObject({ validUntil: instant, lastUsedAt: instant.nullable() })
  .nullable()
  .meta({ description: 'The secret before the last rotation; null when there was none' });
const keyFields = z.strictObject({
  id: z.string(),
  name: z.string(),
  role: z.enum(ROLES),
  scopes: z.array(z.string()),
  createdAt: instant,
  createdBy: z.string(),
  expiresAt: instant.nullable(),
  revokedAt: instant.nullable(),
  lastUsedAt: instant.nullable().meta({ description: 'Of its present secret' }),
  addresses: z.array(z.string()).nullable(),
  rate: z.string().nullable(),
  budget: z.int().nullable().meta({ description: 'Runs a day' }),
  calls: z.int().nullable().meta({ description: 'Runs in all' }),
  tokens: z.int().nullable().meta({ description: 'Tokens of language models a day' }),
  pinned: pinnedView,
  parentId: z.string().nullable().meta({ description: 'The key that it was made from' }),
  rotatedAt: instant.nullable(),
  previous: previousSecret,
});

/** A key as its managers see it: everything but the hashes of its secrets. */
export const keySchema = keyFields.meta({ id: 'Key' });
export type KeyView = Readonly<z.output<typeof keyFields>>;

export const keyListSchema = z.strictObject({ items: z.array(keyFields), nextCursor: z.string().nullable() }).meta({ id: 'KeyList' });

const shownOnce = { key: z.string().meta({ description: 'The key itself. It is shown this once.' }) };
export const createdKeySchema = z
  .strictObject({
    ...shownOnce,
    ...keyFields.pick({ id: true, name: true, role: true, scopes: true, createdAt: true, expiresAt: true, parentId: true }).shape,
  })
  .meta({ id: 'CreatedKey' });
export type CreatedKeyView = Readonly<z.output<typeof createdKeySchema>>;

export const rotatedKeySchema = z
  .strictObject({
    ...shownOnce,
    id: z.string(),
    previousValidUntil: instant.meta({ description: 'From this instant on the old secret opens nothing' }),
  })
  .meta({ id: 'RotatedKey' });
export type RotatedKeyView = Readonly<z.output<typeof rotatedKeySchema>>;

const count = z.int().min(0);
const runsLeft = z.strictObject({ limit: count, remaining: count }).nullable();
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
    budget: runsLeft.meta({ description: 'Runs of this day (UTC); null when it is bound to none' }),
    calls: runsLeft.meta({ description: 'Runs in all; null when it is bound to none' }),
    tokens: runsLeft.meta({ description: 'Tokens of language models of this day (UTC); null when it is bound to none' }),
    pinned: pinnedView,
    parentId: z.string().nullable(),
  })
  .meta({ id: 'Caller' });
export type CallerView = Readonly<z.output<typeof callerSchema>>;

export function presentKey(key: ApiKey): KeyView {
  const { secretHash: _kept, generation: _number, pins, previous, rate: limit, ...shown } = key;
  return {
    ...shown,
    scopes: [...key.scopes],
    addresses: key.addresses && [...key.addresses],
    rate: limit && formatRate(limit),
    pinned: pins,
    previous: previous && { validUntil: previous.validUntil, lastUsedAt: previous.lastUsedAt },
  };
}

export function presentCreated(text: string, key: ApiKey): CreatedKeyView {
  const { id, name: label, role, scopes: globs, createdAt, expiresAt: end, parentId } = key;
  return { key: text, id, name: label, role, scopes: [...globs], createdAt, expiresAt: end, parentId };
}

export function presentRotated(text: string, { id, previous, rotatedAt }: ApiKey): RotatedKeyView {
  return { key: text, id, previousValidUntil: previous?.validUntil ?? rotatedAt ?? '' };
}
